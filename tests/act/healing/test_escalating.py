"""What is not healed is handed over in the transaction of its settlement: no end of a heal is silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grace.act.healing.telling import tell
from grace.model.contract import Phase
from grace.model.decision import Ruling
from grace.model.escalation import Escalation
from grace.model.events import EventType, PlanRefused
from grace.model.plan import Remedy
from grace.model.run import Run
from grace.model.service import Mode
from grace.model.settlement import Settlement, SettlementKind
from grace.model.warrant import Refusal
from tests.act.healing.rig import Room, Script, expect, plan, step


@pytest.fixture
def target(tmp_path: Path) -> Path:
    file = tmp_path / "a.txt"
    file.write_text("old")
    return file


@pytest.fixture
def room(tmp_path: Path, target: Path) -> Iterator[Room]:
    opened = Room(tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    yield opened
    opened.close()


def handed_over(room: Room, settlement: Settlement) -> Escalation | None:
    entry = room.record.find(f"{settlement.run_id}/escalated")
    return None if entry is None else Escalation.from_json(entry.payload or {})


def scripts(target: Path) -> dict[SettlementKind, Script]:
    """Return a script for each end that leaves an incident unhealed."""
    good = plan(step(target, "new"), clauses=(expect(target, "new"),))
    unmet = plan(step(target, "new"), clauses=(expect(target, "no", phase=Phase.BEFORE), expect(target, "new")))
    harmful = plan(step(target, "new"), clauses=(expect(target, "else"),))
    silent = plan(step(target, "new"), clauses=(expect(target.with_name("absent"), "ok"),), on=Remedy.HOLD)
    final = plan(step(target, "new", uses="note.send"), clauses=(expect(target, "else"),))
    return {
        SettlementKind.DENIED: Script(good, ruling=Ruling.DENIED),
        SettlementKind.OBSERVED: Script(good, mode=Mode.OBSERVE),
        SettlementKind.ABORTED: Script(unmet),
        SettlementKind.ROLLED_BACK: Script(harmful),
        SettlementKind.HELD: Script(silent),
        SettlementKind.NOT_RESTORED: Script(final),
    }


@pytest.mark.parametrize("kind", sorted({*SettlementKind} - {SettlementKind.COMMITTED, SettlementKind.EXPIRED}))
def test_every_end_that_heals_nothing_is_handed_to_the_owner_with_its_reason(
    room: Room, target: Path, kind: SettlementKind
) -> None:
    room.script.__dict__.update(scripts(target)[kind].__dict__)

    settlement = room.heal()

    assert settlement.kind is kind, settlement
    handed = handed_over(room, settlement)
    assert handed is not None
    assert (handed.to, handed.settlement, handed.why) == ("ann", kind, settlement.sentence)
    assert handed.next.startswith("grace ")
    told = tell(settlement.run_id, room.record.entries(run_id=settlement.run_id))
    assert any(chapter.title.startswith("handed over to ann: ") for chapter in told.chapters)


def test_what_is_healed_is_handed_to_nobody(room: Room) -> None:
    settlement = room.heal()

    assert settlement.kind is SettlementKind.COMMITTED
    assert handed_over(room, settlement) is None


def test_without_a_plan_it_is_told_what_was_considered(room: Room) -> None:
    room.script.plan = PlanRefused(run_id="r", why="nothing fits", considered=("a 1.0.0: it needs a label",))

    handed = handed_over(room, room.heal())

    assert handed is not None
    assert handed.considered == ("a 1.0.0: it needs a label",)


def test_after_an_undone_playbook_the_next_one_is_tried_and_only_the_last_is_handed_over(
    room: Room, target: Path
) -> None:
    room.script.plan = plan(step(target, "new"), clauses=(expect(target, "else"),))
    room.script.next_rung = "second"
    first = room.heal()
    undone = room.runs.run(first.run_id)
    assert undone is not None
    assert handed_over(room, first) is None
    assert not room.runs.is_handed_over(first.run_id)

    room.script.next_rung = None
    following = room.runs.climb(undone)
    assert isinstance(following, Run)
    assert following.incident_id == undone.incident_id
    second = room.walk(following)
    handed = handed_over(room, second)
    assert handed is not None
    assert handed.settlement is SettlementKind.ROLLED_BACK
    again = room.runs.climb(undone)
    assert isinstance(again, Refusal)
    assert again.rule == "one-run"


def test_a_playbook_that_a_person_asked_for_is_followed_by_none(room: Room, target: Path) -> None:
    room.script.plan = plan(step(target, "new"), clauses=(expect(target, "else"),))
    room.script.next_rung = "second"
    run = room.runs.heal(room.open_incident(), "ann")
    assert isinstance(run, Run)

    handed = handed_over(room, room.walk(run))

    assert handed is not None
    assert handed.next == f"grace heal {run.incident_id} --playbook second"


def test_a_hand_over_that_nobody_could_word_is_made_all_the_same(room: Room) -> None:
    room.script.ruling = Ruling.DENIED
    room.script.advises = False

    handed = handed_over(room, room.heal())

    assert handed is not None
    assert handed.to == "nobody"
    assert handed.suggestions == ("LookupError: nobody to ask",)


def test_a_hand_over_stands_in_the_incident_until_it_comes_back(room: Room) -> None:
    room.script.ruling = Ruling.DENIED
    incident = room.open_incident()
    run = room.runs.heal(incident, "grace")
    assert isinstance(run, Run)
    room.walk(run)

    assert room.record.rebuild() > 0
    assert [entry.type for entry in room.record.entries(run_id=run.id)][-1] is EventType.INCIDENT_ESCALATED
