"""One heal and its eight ends, on a real record and real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from grace.act.healing import guarding, locks
from grace.act.healing.telling import tell
from grace.model.contract import Phase
from grace.model.decision import Ruling
from grace.model.events import EventType, PlanRefused
from grace.model.plan import Remedy, Undo
from grace.model.run import Run
from grace.model.service import Mode
from grace.model.settlement import AbortReason, SettlementKind
from grace.model.warrant import Refusal
from tests.act.healing.rig import Room, Script, expect, plan, step


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[list[Room]]:
    opened: list[Room] = []
    yield opened
    for room in opened:
        room.close()


def room_for(rooms: list[Room], tmp_path: Path, script: Script) -> Room:
    room = Room(tmp_path, script)
    rooms.append(room)
    return room


def test_a_met_contract_is_committed(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    room = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    settlement = room.heal()
    assert settlement.kind is SettlementKind.COMMITTED, settlement
    assert target.read_text() == "new"


def test_an_action_that_says_done_and_does_nothing_is_not_committed(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new", does_it=False), clauses=(expect(target, "new"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK
    assert target.read_text() == "old"


def test_a_violated_contract_is_undone_exactly(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    before = target.stat()
    made = plan(step(target, "new"), clauses=(expect(target, "something else"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    after = target.stat()
    assert (target.read_text(), after.st_mode, after.st_mtime_ns) == ("old", before.st_mode, before.st_mtime_ns)


def test_a_silent_probe_is_never_good_news(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    settlement = room.heal()
    assert settlement.kind is SettlementKind.HELD
    assert settlement.quarantines == (f"file:here:{target}",)
    assert target.read_text() == "new"


def test_a_quarantined_target_is_closed_to_other_runs(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    second = room.heal()
    assert (second.kind, second.reason) == (SettlementKind.ABORTED, AbortReason.PRECONDITION)
    assert held.run_id in second.sentence


def test_a_held_run_can_be_undone_and_its_target_is_open_again(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    undo = room.runs.undo(held.run_id, "ann", "no metric")
    assert isinstance(undo, Run)
    assert room.walk(undo).kind is SettlementKind.ROLLED_BACK
    assert target.read_text() == "old"
    room.script.plan = plan(step(target, "newer"), clauses=(expect(target, "newer"),))
    assert room.heal().kind is SettlementKind.COMMITTED


def test_a_held_run_can_be_kept(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    kept = room.runs.keep(held.run_id, "ann", "looks right")
    assert isinstance(kept, Run)
    assert room.walk(kept).kind is SettlementKind.COMMITTED
    room.script.plan = plan(step(target, "newer"), clauses=(expect(target, "newer"),))
    assert room.heal().kind is SettlementKind.COMMITTED


def test_keeping_what_somebody_changed_meanwhile_is_stale(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    target.write_text("somebody else's")
    kept = room.runs.keep(held.run_id, "ann", "")
    assert isinstance(kept, Run)
    settled = room.walk(kept)
    assert (settled.kind, settled.reason) == (SettlementKind.ABORTED, AbortReason.STALE)


def test_a_foreign_change_stops_the_undo_and_is_shown(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),))
    room = room_for(rooms, tmp_path, Script(made))
    room.script.plan = plan(
        step(target, "new"),
        step(tmp_path / "b.txt", "b", id_="second"),
        clauses=(expect(tmp_path / "absent", "ok", within_s=0, for_s=0),),
    )

    def foreign() -> None:
        if room.actions["note.write"].calls[-1].endswith("b.txt"):
            target.write_text("foreign")

    room.actions["note.write"].after = foreign
    settlement = room.heal()
    assert settlement.kind is SettlementKind.NOT_RESTORED
    assert target.read_text() == "foreign"
    assert not (tmp_path / "b.txt").exists(), "what nobody else changed goes back all the same"
    assert "a.txt" in settlement.sentence


def test_a_failed_step_stops_the_execution_and_goes_back(rooms: list[Room], tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a", "b", "c"))
    made = plan(
        step(first, "1", id_="one"),
        step(second, "2", id_="two", claims="failed"),
        step(third, "3", id_="three"),
        clauses=(expect(first, "1"),),
        on=Remedy.HOLD,
    )
    room = room_for(rooms, tmp_path, Script(made))
    settlement = room.heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    assert not any(path.exists() for path in (first, second, third))
    assert room.actions["note.write"].calls == [str(first), str(second)]


def test_a_compensable_step_is_compensated(rooms: list[Room], tmp_path: Path) -> None:
    sent, undone = tmp_path / "sent", tmp_path / "undone"
    undo = Undo(uses="note.send", parameters={"path": str(undone), "text": "sorry"})
    made = plan(step(sent, "hello", uses="note.send", undo=undo), clauses=(expect(sent, "something else"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    assert undone.read_text() == "sorry"


def test_a_compensation_gets_the_outputs_of_what_it_takes_back(rooms: list[Room], tmp_path: Path) -> None:
    sent, undone = tmp_path / "sent", tmp_path / "undone"
    undo = Undo(uses="note.send", parameters={"path": str(undone), "text": "sorry for ${{ do.write.text }}"})
    made = plan(step(sent, "hello", uses="note.send", undo=undo), clauses=(expect(sent, "something else"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    assert undone.read_text() == "sorry for HELLO"


def test_an_irreversible_step_that_failed_its_contract_says_so_loudly(rooms: list[Room], tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    made = plan(step(sent, "hello", uses="note.send"), clauses=(expect(sent, "something else"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.NOT_RESTORED
    assert "cannot be undone" in settlement.sentence


def test_observe_mode_touches_nothing(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    script = Script(plan(step(target, "new"), clauses=(expect(target, "new"),)), mode=Mode.OBSERVE)
    settlement = room_for(rooms, tmp_path, script).heal()
    assert settlement.kind is SettlementKind.OBSERVED
    assert not target.exists()


def test_a_denied_plan_touches_nothing(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    script = Script(plan(step(target, "new"), clauses=(expect(target, "new"),)), ruling=Ruling.DENIED)
    settlement = room_for(rooms, tmp_path, script).heal()
    assert settlement.kind is SettlementKind.DENIED
    assert not target.exists()


def test_no_plan_is_denied_with_its_reason_on_the_record(rooms: list[Room], tmp_path: Path) -> None:
    room = room_for(rooms, tmp_path, Script(PlanRefused(run_id="r", why="no playbook knows this cause")))
    settlement = room.heal()
    assert (settlement.kind, settlement.sentence) == (SettlementKind.DENIED, "no playbook knows this cause")
    types = [entry.type for entry in room.record.entries(run_id=settlement.run_id)]
    assert EventType.PLAN_REFUSED in types


def test_a_halt_ends_a_run_before_its_first_write(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    script = Script(plan(step(target, "new"), clauses=(expect(target, "new"),)), halted=True)
    settlement = room_for(rooms, tmp_path, script).heal()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.HALTED)
    assert not target.exists()


def test_a_halt_between_two_steps_goes_back(rooms: list[Room], tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    script = Script(plan(step(first, "1", id_="one"), step(second, "2", id_="two"), clauses=(expect(first, "1"),)))
    room = room_for(rooms, tmp_path, script)

    def halt() -> None:
        script.halted = True

    room.actions["note.write"].after = halt
    settlement = room.heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK
    assert not first.exists()
    assert not second.exists()


def test_a_cancellation_during_the_last_step_is_heard_and_goes_back(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    room = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))

    def cancel() -> None:
        (run_id,) = room.open_runs()
        assert room.runs.cancel(run_id, "ann", "not now") is None

    room.actions["note.write"].after = cancel
    settlement = room.heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK
    assert "ann cancelled it: not now" in settlement.sentence
    assert target.read_text() == "old"


def test_an_unmet_precondition_aborts(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    clauses = (expect(target, "older", phase=Phase.BEFORE), expect(target, "new"))
    settlement = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=clauses))).heal()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.PRECONDITION)
    assert target.read_text() == "old"


def test_a_target_that_cannot_be_kept_is_not_touched(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    (tmp_path / "other").hardlink_to(target)
    settlement = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),)))).heal()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.SNAPSHOT_FAILED)
    assert target.read_text() == "old"


def test_a_settled_run_is_settled_once_whoever_comes_again(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    room = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    settlement = room.heal()
    run = room.runs.run(settlement.run_id)
    assert run is not None
    assert room.walk(run) == settlement
    assert room.actions["note.write"].calls == [str(target)]


def test_an_incident_has_one_open_run(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    room = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    incident = room.open_incident()
    assert isinstance(room.runs.heal(incident, "grace"), Run)
    refused = room.runs.heal(incident, "ann")
    assert not isinstance(refused, Run)
    assert refused.rule == "one-run"


def test_a_file_edited_after_the_plan_was_made_is_stale(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    seen = step(target, "new").model_copy(update={"predicted": {"after": "what somebody approved"}})
    settlement = room_for(rooms, tmp_path, Script(plan(seen, clauses=(expect(target, "new"),)))).heal()
    assert (settlement.kind, settlement.reason) == (SettlementKind.ABORTED, AbortReason.STALE)
    assert target.read_text() == "old"


def test_a_folder_and_a_file_in_it_are_one_target_to_two_writers(rooms: list[Room], tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    inside = folder / "a.txt"
    inside.write_text("old")
    made = plan(step(inside, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    room.script.plan = plan(step(folder, "x"), clauses=(expect(inside, "new"),))
    second = room.heal()
    assert (second.kind, second.reason) == (SettlementKind.ABORTED, AbortReason.PRECONDITION)
    assert held.run_id in second.sentence


@pytest.mark.parametrize("word", ["undo after the edit is gone", "keep as it is", "keep the undo as it is"])
def test_an_undo_that_could_not_restore_is_ended_by_a_person(rooms: list[Room], tmp_path: Path, word: str) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    room = room_for(rooms, tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    healed = room.heal()
    ours = target.stat()
    target.write_text("foreign")
    undo = room.runs.undo(healed.run_id, "ann", "")
    assert isinstance(undo, Run)
    assert room.walk(undo).kind is SettlementKind.NOT_RESTORED
    match word:
        case "undo after the edit is gone":
            target.write_text("new")
            os.utime(target, ns=(ours.st_atime_ns, ours.st_mtime_ns))
            said, expected = room.runs.undo(healed.run_id, "ann", ""), SettlementKind.ROLLED_BACK
        case "keep as it is":
            said, expected = room.runs.keep(healed.run_id, "ann", "", as_is=True), SettlementKind.COMMITTED
        case _:
            said, expected = room.runs.keep(undo.id, "ann", "", as_is=True), SettlementKind.COMMITTED
    assert isinstance(said, Run), said
    assert room.walk(said).kind is expected
    room.script.plan = plan(step(target, "newest"), clauses=(expect(target, "newest"),))
    assert room.heal().kind is SettlementKind.COMMITTED, "the target is open again"


def test_an_undo_that_meets_another_run_says_how_to_go_on(
    rooms: list[Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "LOCK_PATIENCE_S", 0.0)
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(target, "new"),))
    room = room_for(rooms, tmp_path, Script(made))
    healed = room.heal()
    other = room.runs.heal(room.open_incident(), "grace")
    assert isinstance(other, Run)
    room.record.run(lambda tx: locks.take(tx, other, [one.key for one in made.targets], room.clock.now()))
    undo = room.runs.undo(healed.run_id, "ann", "")
    assert isinstance(undo, Run)
    said = room.walk(undo)
    assert (said.kind, said.reason) == (SettlementKind.ABORTED, AbortReason.PRECONDITION)
    for command in (f"grace runs {other.id}", f"grace cancel {other.id}", f"grace undo {healed.run_id} --reason WHY"):
        assert command in said.sentence
    room.record.run(lambda tx: locks.release(tx, other.id))
    again = room.runs.undo(healed.run_id, "ann", "")
    assert isinstance(again, Run), "an undo that took nothing back has not spoken"
    assert room.walk(again).kind is SettlementKind.ROLLED_BACK


def state_of_incident(room: Room, run_id: str) -> str:
    with room.record.read() as connection:
        of_run = "SELECT state FROM incidents WHERE id = (SELECT incident_id FROM runs WHERE id = :run)"
        return str(connection.execute(text(of_run), {"run": run_id}).scalar_one())


def keep(room: Room, run_id: str) -> Run:
    kept = room.runs.keep(run_id, "ann", "looks fine")
    assert isinstance(kept, Run), kept
    assert room.walk(kept).kind is SettlementKind.COMMITTED
    return kept


def test_keeping_a_held_run_closes_its_incident_by_the_word_of_who_kept_it(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    assert state_of_incident(room, held.run_id) == "open"
    keep(room, held.run_id)
    assert state_of_incident(room, held.run_id) == "closed"
    [closed] = room.record.entries(types={EventType.INCIDENT_CLOSED})
    assert closed.payload is not None
    assert closed.payload["by"] == "ann"


def test_an_undo_of_a_held_run_leaves_its_incident_open(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    undo = room.runs.undo(held.run_id, "ann", "")
    assert isinstance(undo, Run)
    room.walk(undo)
    assert state_of_incident(room, held.run_id) == "open"


def test_what_was_kept_can_be_undone_once_and_not_kept_twice(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    kept = keep(room, held.run_id)
    again = room.runs.keep(held.run_id, "ann", "")
    assert isinstance(again, Refusal)
    assert again.next.startswith(f"grace undo {held.run_id}")
    undo = room.runs.undo(kept.id, "ben", "it was not fine")
    assert isinstance(undo, Run), undo
    assert undo.of_run == held.run_id
    assert room.walk(undo).kind is SettlementKind.ROLLED_BACK
    assert target.read_text() == "old"
    assert isinstance(room.runs.undo(held.run_id, "ben", ""), Refusal)


def test_an_undo_of_what_was_kept_spares_what_others_wrote_since(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    keep(room, held.run_id)
    target.write_text("foreign")
    undo = room.runs.undo(held.run_id, "ben", "")
    assert isinstance(undo, Run), undo
    assert room.walk(undo).kind is SettlementKind.NOT_RESTORED
    assert target.read_text() == "foreign"


def test_nobody_is_asked_about_a_target_that_is_quarantined(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(tmp_path / "absent", "ok"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    held = room.heal()
    room.script.ruling, room.script.quorum = Ruling.ACT_WITH_APPROVAL, 1
    second = room.heal()
    assert (second.kind, second.reason) == (SettlementKind.ABORTED, AbortReason.PRECONDITION)
    assert held.run_id in second.sentence


def test_a_symlink_among_the_targets_is_kept_by_the_snapshot_and_no_evidence(rooms: list[Room], tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    made = plan(step(link, "new", does_it=False), clauses=(expect(tmp_path / "absent", "ok"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    assert str(link.readlink()) == "nowhere"


def held(room: Room) -> str:
    settlement = room.heal()
    assert settlement.kind is SettlementKind.NOT_RESTORED, settlement
    return settlement.run_id


def test_a_keep_of_what_nobody_can_read_assures_nothing(rooms: list[Room], tmp_path: Path) -> None:
    sent = step(tmp_path / "sent.txt", "new", uses="note.send")
    made = plan(sent, clauses=(expect(tmp_path / "sent.txt", "something else"),))
    room = room_for(rooms, tmp_path, Script(made))
    said = room.runs.keep(held(room), "ann", "seen to", as_is=False)
    assert isinstance(said, Run), said
    kept = room.walk(said)
    assert kept.kind is SettlementKind.COMMITTED
    assert "there was no object to read: ann takes it over as it is, unmeasured" in kept.sentence
    assert "as the run left" not in kept.sentence


def test_a_keep_tells_apart_what_was_read_and_what_could_not_be(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    steps = (step(target, "new"), step(tmp_path / "sent.txt", "new", id_="send", uses="note.send"))
    made = plan(*steps, clauses=(expect(target, "something else"),), on=Remedy.HOLD)
    room = room_for(rooms, tmp_path, Script(made))
    said = room.runs.keep(room.heal().run_id, "ann", "", as_is=False)
    assert isinstance(said, Run), said
    kept = room.walk(said)
    assert kept.kind is SettlementKind.COMMITTED
    assert "1 object reads as the run left it; of send (note.send) there is nothing to read" in kept.sentence


def test_a_deed_that_did_nothing_is_not_called_undone(rooms: list[Room], tmp_path: Path) -> None:
    back = Undo(uses="note.send", parameters={"path": str(tmp_path / "back.txt"), "text": "back"})
    sent = step(tmp_path / "sent.txt", "new", uses="note.send", undo=back, claims="failed", does_it=False)
    made = plan(sent, clauses=(expect(tmp_path / "sent.txt", "new"),))
    room = room_for(rooms, tmp_path, Script(made))
    settlement = room.heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK
    assert "nothing was written, and so no undo was sent (step write failed: said so)" in settlement.sentence
    assert "undone" not in settlement.sentence
    assert "compensated" not in settlement.sentence
    assert room.actions["note.send"].calls == [str(tmp_path / "sent.txt")]
    telling = tell(settlement.run_id, room.record.entries(run_id=settlement.run_id))
    told = [chapter.title for chapter in telling.chapters]
    assert "way back: nothing was written, there was nothing to take back" in told


def test_a_way_back_counts_what_it_gave_back_and_what_it_compensated(rooms: list[Room], tmp_path: Path) -> None:
    one, other = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text("old")
    other.write_text("old")
    back = Undo(uses="note.send", parameters={"path": str(tmp_path / "sent.txt"), "text": "back"})
    made = plan(
        step(one, "new"),
        step(other, "new", id_="idle", does_it=False),
        step(tmp_path / "sent.txt", "new", id_="send", uses="note.send", undo=back),
        clauses=(expect(one, "something else"),),
    )
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK, settlement
    assert "undone, 1 object equal again, 1 write compensated, 1 object never differed" in settlement.sentence


def test_an_undo_of_what_is_back_already_says_that_nothing_was_left_to_undo(rooms: list[Room], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new", does_it=False), clauses=(expect(target, "new"),))
    settlement = room_for(rooms, tmp_path, Script(made)).heal()
    assert settlement.kind is SettlementKind.ROLLED_BACK
    assert "nothing was left to undo, 1 object never differed" in settlement.sentence
