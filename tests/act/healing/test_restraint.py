"""Restraint on a real record, with a clock that the test moves: who waits, who begins, and who is asked first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.act.healing.queue import Queue
from grace.act.healing.restraining import RestrainedPolicy, Restrainer, RestraintDesk
from grace.act.healing.runs import Runs, Walks
from grace.act.healing.telling import tell
from grace.govern.policy import Question
from grace.govern.policy.cedar import CedarPolicy
from grace.govern.policy.rules import read_rules
from grace.govern.restraint.restraints import Restraints
from grace.kit.clock import VirtualClock
from grace.kit.ids import IdMint
from grace.model.approval import Approval
from grace.model.decision import Decision, Ruling
from grace.model.events import BreakerChanged, EventType, FlappingChanged, IncidentClosed, LocksTaken
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.model.plan import Plan
from grace.model.restraint import Restraint, WaitRule
from grace.model.run import Run
from grace.model.service import Mode, Service
from grace.model.settlement import AbortReason, Settlement, SettlementKind
from grace.model.warrant import Refusal
from grace.record.opening import Record, RecordPlaces, open_record
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, diagnosis, plan, step

RULE = Restraint(
    cool_down=60,
    longest_cool_down=600,
    flaps=2,
    failures=3,
    open_for=100,
    longest_open=800,
    runs_per_hour=6,
    runs_at_once=2,
)
FAILED = (SettlementKind.ROLLED_BACK, SettlementKind.HELD, SettlementKind.NOT_RESTORED)
TARGET = "file:host:/srv/orders/settings.yaml"


@dataclass
class Shop:
    """A record, the verbs on it, and one declared service in two environments."""

    folder: Path
    rule: Restraint = RULE
    clock: VirtualClock = field(default_factory=VirtualClock)
    begun: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.record: Record = open_record(RecordPlaces.within(self.folder), clock=self.clock, witness_interval_s=0.0)
        self.mint = IdMint(self.clock)
        self.restraints = Restraints(self.record, self.clock, self)
        self.runs = Runs(self.record, self.record, self.clock, self.mint, cast("Walks", None), self.restraints.deferral)
        self.runs.begin = self.runs.start = self.begun.append
        self.runs.ring = lambda _run, _topic: None
        self.queue = Queue(self.runs, self.record, self.restraints)
        self.restrainer = Restrainer(self.record, self.record, self.restraints, self.mint)
        self.desk = RestraintDesk(self.queue, self.restrainer)
        shipped = shipped_folder("policies")
        engine = CedarPolicy(read_rules((shipped,), shipped / "grace.cedarschema", DEEDS))
        self.policy = RestrainedPolicy(engine, self.restraints)

    def service(self, name: str, environment: str) -> Service:
        return Service(name=name, environment=environment, mode=Mode.AUTO, owner="ann", restraint=self.rule)

    def opens(self, name: str = "a", occurrence: int = 1, environment: str = "production") -> Incident:
        """Open an incident, or open it again."""
        now = self.clock.now()
        incident = Incident(
            id=f"inc_{name}",
            fingerprint=name,
            service="orders",
            environment=environment,
            title=name,
            signal_id="s",
            occurrence=occurrence,
            first_seen=now,
            last_seen=now,
        )
        self.put(f"{incident.id}/opened/{occurrence}", EventType.INCIDENT_OPENED, incident, incident=incident.id)
        return incident

    def heals(self, incident: Incident, by: str = "grace") -> Run | Refusal:
        return self.runs.heal(incident, by)

    def begins(self, incident: Incident, by: str = "grace") -> Run:
        run = self.heals(incident, by)
        assert isinstance(run, Run), run
        return run

    def settles(
        self, run: Run, kind: SettlementKind, *targets: str, reason: AbortReason | None = None, closes: bool = True
    ) -> None:
        """End a run as healing would write it."""
        if targets:
            locks = LocksTaken(run_id=run.id, targets=targets, fence=1)
            self.put(f"{run.id}/locks", EventType.LOCKS_TAKEN, locks, run=run)
        settlement = Settlement(run_id=run.id, kind=kind, reason=reason, sentence="so it ended", at=self.clock.now())
        self.put(f"{run.id}/settled", EventType.RUN_SETTLED, settlement, run=run)
        if closes:
            self.closes(run.incident_id or "", run.id)

    def closes(self, incident_id: str, word: str) -> None:
        closed = IncidentClosed(incident_id=incident_id, by="grace", reason="healed")
        self.put(f"{incident_id}/closed/{word}", EventType.INCIDENT_CLOSED, closed, incident=incident_id)

    def put(
        self, key: str, type_: EventType, noun: Noun, *, run: Run | None = None, incident: str | None = None
    ) -> None:
        about = run.incident_id if run else incident
        entry = self.record.append(
            Draft(
                key=key,
                type=type_,
                actor="grace",
                run_id=run.id if run else None,
                incident_id=about,
                service="orders",
                payload=noun.to_json(),
            )
        )
        if type_ in {EventType.INCIDENT_OPENED, EventType.RUN_SETTLED}:
            self.restrainer.deliver(entry)

    def fails(self, name: str, kind: SettlementKind = SettlementKind.ROLLED_BACK, target: str = TARGET) -> Run:
        """Let one run on an incident of its own fail on a target."""
        run = self.begins(self.opens(name), by="ann")
        self.settles(run, kind, target)
        return run

    def decides(self, name: str = "z", target: str = TARGET) -> Decision:
        return self.policy.decide(self.asks(self.plan(name, target)))

    def asks(self, made: Plan) -> Question:
        because = diagnosis(made.cause).model_copy(update={"incident_id": made.incident_id})
        return Question(made, self.service("orders", "production"), because, "grace", self.clock.now())

    def plan(self, name: str = "z", target: str = TARGET) -> Plan:
        return plan(step("sqlite.checkpoint", target=target)).model_copy(update={"incident_id": f"inc_{name}"})

    def told(self, type_: EventType) -> list[dict[str, object]]:
        return [dict(entry.payload or {}) for entry in self.record.entries(types={type_})]

    def story(self, incident_id: str) -> str:
        chapters = tell(incident_id, self.record.entries(incident_id=incident_id)).chapters
        return "\n".join(f"{one.title}: {' '.join(one.lines)}" for one in chapters)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.record.close()


def refused(found: Run | Refusal) -> str:
    assert isinstance(found, Refusal), found
    return found.rule


def test_a_fault_that_comes_back_waits_for_its_cool_down_and_then_gets_its_run(shop: Shop) -> None:
    shop.settles(shop.begins(shop.opens()), SettlementKind.COMMITTED)
    shop.clock.advance(30)
    again = shop.opens(occurrence=2)
    assert refused(shop.heals(again)) == WaitRule.COOL_DOWN
    assert "cools down until" in shop.story("inc_a")
    (waiting,) = shop.desk.standing().waiting
    assert (waiting.incident_id, waiting.rule, waiting.place) == ("inc_a", WaitRule.COOL_DOWN, 1)
    assert waiting.until is not None
    assert shop.queue.begin() == ()
    shop.clock.advance((waiting.until - shop.clock.now()).total_seconds())
    assert shop.queue.begin() == ("inc_a",)
    assert shop.queue.begin() == ()
    assert shop.desk.standing().waiting == ()


def test_a_person_waits_for_no_cool_down(shop: Shop) -> None:
    shop.settles(shop.begins(shop.opens()), SettlementKind.COMMITTED)
    assert isinstance(shop.heals(shop.opens(occurrence=2), by="ann"), Run)


def test_another_fault_of_the_service_waits_for_no_cool_down(shop: Shop) -> None:
    shop.settles(shop.begins(shop.opens("a")), SettlementKind.COMMITTED)
    assert isinstance(shop.heals(shop.opens("b")), Run)


def test_a_drill_is_exempt_from_all_of_it(shop: Shop) -> None:
    for occurrence in range(1, 9):
        run = shop.begins(shop.opens("d", occurrence, environment="drill"))
        shop.settles(run, SettlementKind.ROLLED_BACK, TARGET)
    assert shop.told(EventType.INCIDENT_FLAPPING_STARTED) == []
    assert shop.told(EventType.BREAKER_OPENED) == []


def test_what_was_only_observed_or_denied_is_no_try(shop: Shop) -> None:
    for occurrence, kind in enumerate((SettlementKind.OBSERVED, SettlementKind.DENIED), 1):
        shop.settles(shop.begins(shop.opens(occurrence=occurrence)), kind)
    assert isinstance(shop.heals(shop.opens(occurrence=3)), Run)


def test_a_word_ends_a_cool_down_and_the_run_begins(shop: Shop) -> None:
    shop.settles(shop.begins(shop.opens()), SettlementKind.COMMITTED)
    shop.clock.advance(1)
    assert refused(shop.heals(shop.opens(occurrence=2))) == WaitRule.COOL_DOWN
    shop.clock.advance(1)
    shop.desk.lift("inc_a", "ann", "the disk was replaced")
    assert len(shop.begun) == 2
    assert "ann lifted what was held against inc_a" in shop.story("inc_a")


def test_nothing_is_lifted_from_what_nobody_knows(shop: Shop) -> None:
    for subject in ("inc_nobody", "file:host:/nowhere"):
        found = shop.desk.lift(subject, "ann", "why not")
        assert isinstance(found, Refusal)
        assert found.rule == "no-subject"


def test_a_service_has_so_many_runs_at_once_and_the_longest_waiting_begins_next(shop: Shop) -> None:
    runs = [shop.begins(shop.opens(name)) for name in ("a", "b")]
    for name in ("c", "d"):
        shop.clock.advance(1)
        assert refused(shop.heals(shop.opens(name))) == WaitRule.RUNS_AT_ONCE
    assert [(one.incident_id, one.place) for one in shop.desk.standing().waiting] == [("inc_c", 1), ("inc_d", 2)]
    shop.settles(runs[0], SettlementKind.COMMITTED)
    assert shop.queue.begin() == ("inc_c",)
    held_back = shop.desk.on("inc_d").waits
    assert held_back is not None
    assert (held_back.place, held_back.rule) == (1, WaitRule.RUNS_AT_ONCE)


def test_many_faults_at_once_wait_in_a_line_and_every_one_gets_its_run(shop: Shop) -> None:
    shop.rule = RULE.model_copy(update={"runs_per_hour": 100})
    incidents = [shop.opens(f"{number:04}") for number in range(40)]
    opened = [run for one in incidents if isinstance(run := shop.heals(one), Run)]
    assert len(opened) == 2
    assert shop.desk.counts().waiting == 38
    healed: set[str] = set()
    for _ in range(80):
        for run in [run for run in map(shop.runs.run, shop.begun) if run and run.incident_id not in healed]:
            shop.settles(run, SettlementKind.COMMITTED)
            healed.add(run.incident_id or "")
        if len(shop.queue.begin()) == 0:
            shop.clock.advance(1_800)
        assert sum(shop.runs.settlement(run) is None for run in shop.begun) <= 2
        if len(healed) == 40:
            break
    assert healed == {one.id for one in incidents}


def test_no_hour_has_more_runs_of_a_service_than_it_may(shop: Shop) -> None:
    for name in "abcdef":
        shop.settles(shop.begins(shop.opens(name)), SettlementKind.COMMITTED)
        shop.clock.advance(10)
    assert refused(shop.heals(shop.opens("g"))) == WaitRule.RUNS_PER_HOUR
    until = shop.desk.standing().waiting[0].until
    assert until is not None
    shop.clock.advance((until - shop.clock.now()).total_seconds())
    assert shop.queue.begin() == ("inc_g",)


def test_an_incident_that_keeps_coming_back_is_told_once_and_people_are_asked(shop: Shop) -> None:
    for occurrence in range(1, 6):
        shop.opens(occurrence=occurrence)
        shop.closes("inc_a", str(occurrence))
        shop.clock.advance(60)
    (told,) = shop.told(EventType.INCIDENT_FLAPPING_STARTED)
    assert FlappingChanged.model_validate(told).owner == "ann"
    assert shop.decides("b").ruling is Ruling.ACT_ALONE
    asked = shop.decides("a")
    assert (asked.ruling, asked.mode, asked.quorum) == (Ruling.ACT_WITH_APPROVAL, Mode.SUGGEST, 1)
    assert "flapping" in asked.reason
    by_now = shop.desk.on("inc_a").flapping
    assert by_now is not None
    assert (FlappingChanged.model_validate(told).reopenings, by_now.reopenings) == (3, 4)
    assert "it came back 4 times" in by_now.why
    shop.opens(occurrence=6)
    assert [one.reopenings for one in shop.desk.standing().flapping] == [5]
    shop.clock.advance(60)
    shop.clock.advance(RULE.flap_quiet)
    shop.restrainer.tell_who_is_steady()
    shop.restrainer.tell_who_is_steady()
    assert len(shop.told(EventType.INCIDENT_FLAPPING_ENDED)) == 1
    assert shop.decides("a").ruling is Ruling.ACT_ALONE


def test_a_word_makes_a_flapping_incident_steady(shop: Shop) -> None:
    for occurrence in range(1, 5):
        shop.opens(occurrence=occurrence)
        shop.clock.advance(1)
    assert shop.decides("a").asks
    shop.desk.lift("inc_a", "ann", "a deploy")
    assert not shop.decides("a").asks
    assert len(shop.told(EventType.INCIDENT_FLAPPING_ENDED)) == 1


@pytest.mark.parametrize("kind", FAILED)
def test_a_target_on_which_cures_fail_is_given_up_to_people(shop: Shop, kind: SettlementKind) -> None:
    failed = [shop.fails(name, kind).id for name in "abc"]
    asked = shop.decides()
    assert (asked.ruling, asked.mode) == (Ruling.ACT_WITH_APPROVAL, Mode.SUGGEST)
    assert all(run in asked.reason for run in failed)
    assert not shop.decides(target="file:host:/srv/orders/other.yaml").asks
    (told,) = (BreakerChanged.model_validate(one) for one in shop.told(EventType.BREAKER_OPENED))
    assert (told.subject, told.owner, told.failures) == (TARGET, "ann", tuple(failed))


def test_a_fault_whose_cures_fail_is_given_up_to_people(shop: Shop) -> None:
    for occurrence in range(1, 4):
        run = shop.begins(shop.opens("a", occurrence), by="ann")
        shop.settles(run, SettlementKind.ROLLED_BACK, f"file:host:/{occurrence}")
        shop.clock.advance(1)
    assert shop.decides("a", "file:host:/9").asks
    assert not shop.decides("b", "file:host:/9").asks


def test_a_snapshot_that_cannot_be_taken_is_a_failure_and_a_stale_plan_is_none(shop: Shop) -> None:
    for name in "abc":
        run = shop.begins(shop.opens(name), by="ann")
        shop.settles(run, SettlementKind.ABORTED, TARGET, reason=AbortReason.STALE)
    assert not shop.decides().asks
    for name in "def":
        run = shop.begins(shop.opens(name), by="ann")
        shop.settles(run, SettlementKind.ABORTED, TARGET, reason=AbortReason.SNAPSHOT_FAILED)
    assert shop.decides().asks


def test_after_a_time_one_run_may_try_and_its_end_decides(shop: Shop) -> None:
    for name in "abc":
        shop.fails(name)
    shop.clock.advance(RULE.open_for)
    trial = shop.decides("d")
    assert not trial.asks
    run = shop.begins(shop.opens("d"))
    made = shop.plan("d")
    shop.put(f"{run.id}/plan", EventType.PLAN_MADE, made, run=run)
    shop.put(f"{run.id}/decision", EventType.DECISION_MADE, trial, run=run)
    beside = shop.decides("e")
    assert beside.asks
    assert run.id in beside.reason
    shop.settles(run, SettlementKind.COMMITTED, TARGET)
    assert not shop.decides("e").asks
    assert len(shop.told(EventType.BREAKER_CLOSED)) == 1
    assert shop.desk.standing().breakers == ()


def test_a_try_that_fails_opens_the_breaker_again_for_longer(shop: Shop) -> None:
    for name in "abc":
        shop.fails(name)
    shop.clock.advance(RULE.open_for)
    shop.fails("d")
    (standing,) = shop.desk.standing().breakers
    assert standing.until == shop.clock.now() + timedelta(seconds=2 * RULE.open_for)
    assert (standing.position, standing.trips) == ("open", 2)
    assert len(shop.told(EventType.BREAKER_OPENED)) == 2


def test_a_word_closes_a_breaker(shop: Shop) -> None:
    for name in "abc":
        shop.fails(name)
    shop.clock.advance(1)
    shop.desk.lift(TARGET, "ann", "repaired by hand")
    assert not shop.decides().asks
    assert shop.desk.standing().breakers == ()


def test_a_decision_to_act_alone_is_looked_at_again_under_the_locks(shop: Shop) -> None:
    service = shop.service("orders", "production")
    decided_at = shop.clock.now()
    assert shop.restraints.opened_since(shop.plan(), service, decided_at) == ""
    shop.clock.advance(1)
    for name in "abc":
        shop.fails(name)
    assert TARGET in shop.restraints.opened_since(shop.plan(), service, decided_at)
    assert shop.restraints.opened_since(shop.plan(), service, shop.clock.now()) == ""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from([*FAILED, SettlementKind.COMMITTED]), min_size=1, max_size=6),
    rest=st.integers(0, 900),
)
def test_a_rebuilt_record_holds_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[SettlementKind], rest: int
) -> None:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        for number, kind in enumerate(kinds):
            shop.fails(f"{number}", kind)
            shop.clock.advance(20)
        shop.clock.advance(rest)
        before = (shop.desk.standing(), shop.decides("z"))
        shop.record.rebuild()
        assert (shop.desk.standing(), shop.decides("z")) == before
    finally:
        shop.record.close()


def test_restraint_lets_nothing_through_that_the_policy_refuses(shop: Shop) -> None:
    for name in "abc":
        shop.fails(name)
    unknown = shop.asks(shop.plan().model_copy(update={"cause": "unknown"}))
    assert shop.policy.decide(unknown).ruling is Ruling.DENIED


def test_no_more_questions_are_asked_at_once_than_people_can_answer(shop: Shop) -> None:
    shop.rule = RULE.model_copy(update={"questions_at_once": 1})
    run = shop.begins(shop.opens("a"))
    asked = Approval(
        id="apr_1",
        run_id=run.id,
        plan_digest="p",
        quorum=1,
        requester="grace",
        requested_at=shop.clock.now(),
        expires_at=shop.clock.now() + timedelta(minutes=30),
    )
    shop.put(f"{run.id}/approval", EventType.APPROVAL_REQUESTED, asked, run=run)
    assert refused(shop.heals(shop.opens("b"))) == WaitRule.QUESTIONS_AT_ONCE
    shop.settles(run, SettlementKind.EXPIRED)
    assert shop.queue.begin() == ("inc_b",)
