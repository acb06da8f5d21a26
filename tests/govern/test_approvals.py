from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from grace.govern.approvals.question import approval_id_of
from grace.govern.approvals.store import ApprovalConflictError, ApprovalStore
from grace.kit.clock import VirtualClock
from grace.model.approval import Approval, ApprovalState
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.model.run import Run, RunKind
from grace.model.settlement import AbortReason, Settlement, SettlementKind
from grace.model.warrant import Refusal
from grace.record.opening import Record, RecordPlaces, open_record

PLAN = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
LIFETIME = timedelta(minutes=30)
RUN = "run_1"
ASKED = approval_id_of(RUN)


def run(run_id: str = RUN, requested_by: str = "grace") -> Run:
    return Run(
        id=run_id,
        kind=RunKind.HEAL,
        incident_id="inc_1",
        service="orders",
        environment="production",
        requested_by=requested_by,
        opened_at=VirtualClock().now(),
    )


def store(record: Record, clock: VirtualClock | None = None, ring: Callable[[str], None] = print) -> ApprovalStore:
    return ApprovalStore(record, record, clock or VirtualClock(), LIFETIME, ring)


def rule_of(answered: Approval | Refusal) -> str:
    assert isinstance(answered, Refusal)
    assert answered.next
    return answered.rule


def state_of(answered: Approval | Refusal) -> ApprovalState:
    assert isinstance(answered, Approval)
    return answered.state


def yes(approvals: ApprovalStore, by: str, plan_digest: str = PLAN) -> Approval | Refusal:
    return approvals.answer(ASKED, by, grants=True, reason="looks right", plan_digest=plan_digest)


def no(approvals: ApprovalStore, by: str) -> Approval | Refusal:
    return approvals.answer(ASKED, by, grants=False, reason="not now", plan_digest=PLAN)


def test_a_question_is_asked_once_for_each_run(record: Record) -> None:
    approvals = store(record)
    first = approvals.request(run(), PLAN, 1)
    assert approvals.request(run(), PLAN, 1) == first
    assert (first.run_id, first.plan_digest, first.requester, first.state) == (
        RUN,
        PLAN,
        "grace",
        ApprovalState.WAITING,
    )
    assert first.expires_at - first.requested_at == LIFETIME
    assert len(list(record.entries(types={EventType.APPROVAL_REQUESTED}))) == 1


def test_a_run_cannot_ask_about_a_second_plan(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 1)
    with pytest.raises(ApprovalConflictError, match="a run has one plan"):
        approvals.request(run(), OTHER, 1)


def test_one_yes_grants_where_one_is_asked_and_rings_the_run(record: Record) -> None:
    rung: list[str] = []
    approvals = store(record, ring=rung.append)
    approvals.request(run(), PLAN, 1)
    answered = yes(approvals, "ada")
    assert state_of(answered) is ApprovalState.GRANTED
    assert approvals.of(RUN) == answered
    assert rung == [RUN]


def test_a_quorum_counts_different_people(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 2)
    assert state_of(yes(approvals, "ada")) is ApprovalState.WAITING
    assert rule_of(yes(approvals, "ada")) == "approval-twice"
    assert not approvals.consume(RUN, PLAN)
    assert state_of(yes(approvals, "bob")) is ApprovalState.GRANTED


def test_one_no_ends_it(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 2)
    yes(approvals, "ada")
    assert state_of(no(approvals, "bob")) is ApprovalState.REJECTED
    assert rule_of(yes(approvals, "eve")) == "approval-final"
    assert not approvals.consume(RUN, PLAN)


def test_who_asked_does_not_answer(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(requested_by="ada"), PLAN, 1)
    assert rule_of(yes(approvals, "ada")) == "approval-requester"
    assert rule_of(no(approvals, "ada")) == "approval-requester"


LOOK_ALIKES = ("ada ", "ada\u200b", "ADA", "\uff41da")


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_who_asked_does_not_answer_under_a_name_that_reads_alike(record: Record, name: str) -> None:
    approvals = store(record)
    approvals.request(run(requested_by="ada"), PLAN, 1)
    assert rule_of(yes(approvals, name)) == "approval-requester"


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_quorum_counts_one_person_under_two_names_once(record: Record, name: str) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 2)
    assert state_of(yes(approvals, "ada")) is ApprovalState.WAITING
    assert rule_of(yes(approvals, name)) == "approval-twice"


def test_an_answer_about_another_plan_does_not_count(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 1)
    assert rule_of(yes(approvals, "ada", OTHER)) == "approval-digest"
    yes(approvals, "ada")
    assert not approvals.consume(RUN, OTHER)
    assert approvals.consume(RUN, PLAN)


def test_an_unknown_question_is_refused(record: Record) -> None:
    assert rule_of(store(record).answer("apr_gone", "ada", grants=True, reason="", plan_digest=PLAN)) == "no-approval"
    assert rule_of(store(record).answer("\x00; --", "ada", grants=True, reason="", plan_digest=PLAN)) == "no-approval"
    assert store(record).of("run_gone") is None


def test_a_grant_is_used_once_and_its_user_may_say_so_again_after_a_crash(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 1)
    yes(approvals, "ada")
    assert approvals.consume(RUN, PLAN)
    assert approvals.consume(RUN, PLAN)
    assert not approvals.consume("run_2", PLAN)
    used = list(record.entries(types={EventType.APPROVAL_USED}))
    assert [entry.key for entry in used] == [f"{RUN}/approval.used"]
    assert rule_of(yes(approvals, "bob")) == "approval-final"


def test_silence_expires_into_no(record: Record) -> None:
    clock, rung = VirtualClock(), list[str]()
    approvals = store(record, clock, rung.append)
    approvals.request(run(), PLAN, 1)
    clock.advance(LIFETIME.total_seconds() - 1)
    assert approvals.expire() == ()
    clock.advance(1)
    assert rule_of(yes(approvals, "ada")) == "approval-final"
    assert approvals.expire() == (RUN,)
    assert approvals.expire() == ()
    assert rung == [RUN]
    assert [entry.actor for entry in record.entries(types={EventType.APPROVAL_EXPIRED})] == ["grace"]


def test_a_grant_that_was_not_used_in_time_expires_too(record: Record) -> None:
    clock = VirtualClock()
    approvals = store(record, clock)
    approvals.request(run(), PLAN, 1)
    yes(approvals, "ada")
    clock.advance(LIFETIME.total_seconds())
    assert not approvals.consume(RUN, PLAN)
    found = approvals.of(RUN)
    assert found is not None
    assert found.state is ApprovalState.EXPIRED
    assert record.find(f"{RUN}/approval.expired") is not None


def test_a_clock_that_goes_back_does_not_bring_an_expired_question_back(record: Record) -> None:
    late, early = VirtualClock(), VirtualClock()
    store(record, early).request(run(), PLAN, 1)
    late.advance(LIFETIME.total_seconds())
    store(record, late).of(RUN)
    assert rule_of(yes(store(record, early), "ada")) == "approval-final"


def test_an_erased_question_gives_no_permission(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 1)
    yes(approvals, "ada")
    asked = record.find(f"{RUN}/approval.requested")
    assert asked is not None
    record.erase(asked.index, "ada", "a name was in it")
    assert not approvals.consume(RUN, PLAN)


def test_racing_answers_never_count_beyond_the_quorum(record: Record) -> None:
    approvals = store(record)
    approvals.request(run(), PLAN, 2)
    people = [f"person-{number}" for number in range(8)]
    begin = Barrier(len(people))

    def race(by: str) -> Approval | Refusal:
        begin.wait()
        return yes(approvals, by)

    with ThreadPoolExecutor(len(people)) as pool:
        answered = list(pool.map(race, people))
    assert sorted(state_of(each) for each in answered if isinstance(each, Approval)) == ["granted", "waiting"]
    assert {rule_of(each) for each in answered if isinstance(each, Refusal)} == {"approval-final"}
    assert len(list(record.entries(types={EventType.APPROVAL_GRANTED}))) == 1


PEOPLE = ("ada", "bob", "eve", "grace")


class Questions(RuleBasedStateMachine):
    """Any order of answers, waits, uses and restarts, held against what the words of DESIGN say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = VirtualClock()
        self.record = open_record(RecordPlaces.within(self.folder))
        self.approvals = store(self.record, self.clock)
        self.quorum = 1
        self.requester = "grace"
        self.said: dict[str, bool] = {}
        self.waited_s = 0.0
        self.used = False

    @initialize(quorum=st.integers(1, 3), requester=st.sampled_from(PEOPLE))
    def ask(self, quorum: int, requester: str) -> None:
        self.quorum, self.requester = quorum, requester
        self.approvals.request(run(requested_by=requester), PLAN, quorum)

    def expected(self) -> ApprovalState:
        if self.used:
            return ApprovalState.USED
        if not all(self.said.values()):
            return ApprovalState.REJECTED
        if self.waited_s >= LIFETIME.total_seconds():
            return ApprovalState.EXPIRED
        return ApprovalState.GRANTED if len(self.said) >= self.quorum else ApprovalState.WAITING

    @rule(by=st.sampled_from(PEOPLE), grants=st.booleans(), right=st.integers(0, 9))
    def answer(self, by: str, grants: bool, right: int) -> None:
        counts = right > 0 and self.expected() is ApprovalState.WAITING and by != self.requester and by not in self.said
        answered = self.approvals.answer(ASKED, by, grants=grants, reason="", plan_digest=PLAN if right > 0 else OTHER)
        assert isinstance(answered, Approval) == counts
        if counts:
            self.said[by] = grants

    @rule(right=st.booleans())
    def use(self, right: bool) -> None:
        allowed = right and self.expected() in {ApprovalState.GRANTED, ApprovalState.USED}
        assert self.approvals.consume(RUN, PLAN if right else OTHER) == allowed
        self.used = self.used or allowed

    @rule(seconds=st.sampled_from([60.0, 900.0, 1799.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.waited_s += seconds

    @rule()
    def sweep(self) -> None:
        self.approvals.expire()

    @precondition(lambda self: bool(self.said))
    @rule()
    def restart(self) -> None:
        self.record.close()
        self.record = open_record(RecordPlaces.within(self.folder))
        self.approvals = store(self.record, self.clock)

    @invariant()
    def the_record_says_what_was_said(self) -> None:
        found = self.approvals.get(ASKED)
        if found is None:
            return
        assert found.state is self.expected()
        assert {answer.by: answer.grants for answer in found.answers} == self.said

    def teardown(self) -> None:
        self.record.close()
        shutil.rmtree(self.folder)


TestQuestions = Questions.TestCase
TestQuestions.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def test_a_question_of_a_run_that_is_over_is_asked_no_more(record: Record) -> None:
    """A run that was cancelled leaves nothing to say yes to."""
    rung: list[str] = []
    approvals = store(record, ring=rung.append)
    opened, at = run(), VirtualClock().now()
    settled = Settlement(
        run_id=RUN, kind=SettlementKind.ABORTED, reason=AbortReason.CANCELLED, sentence="cancelled by ann", at=at
    )
    record.append(_of_run("opened", EventType.RUN_OPENED, opened))
    approvals.request(opened, PLAN, 1)
    record.append(_of_run("settled", EventType.RUN_SETTLED, settled))

    assert rule_of(yes(approvals, "ben")) == "approval-final"
    assert approvals.expire() == (RUN,)
    assert [entry.run_id for entry in record.entries(types={EventType.APPROVAL_EXPIRED})] == [RUN]
    assert approvals.expire() == ()


def _of_run(stage: str, type_: EventType, noun: Run | Settlement) -> Draft:
    return Draft(key=f"{RUN}/{stage}", type=type_, actor="grace", run_id=RUN, service="orders", payload=noun.to_json())
