"""What a run only read goes to disk with its next write: as one, in order, and before any deed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from grace.act.healing import story as story_module
from grace.act.healing.asking import Asking
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.story import StageLostError, Story, past_of
from grace.act.safehold import Vault
from grace.act.safehold.providers.files import FilesProvider
from grace.govern.policy import Question
from grace.model.approval import Approval
from grace.model.diagnosis import Diagnosis
from grace.model.events import EventType, PlanRefused
from grace.model.plan import Plan
from grace.model.run import Run
from grace.model.settlement import SettlementKind
from grace.model.snapshot import Restoration, SnapshotObject
from grace.record import Transaction
from tests.act.healing.rig import Inline, NobodyAsked, Room, Script, expect, plan, step

LIMIT_S = 30.0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    target = tmp_path / "a.txt"
    target.write_text("old")
    opened = Room(tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "new"),))))
    yield opened
    opened.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold what was only read for longer than a test lasts."""
    monkeypatch.setattr(story_module, "LONGEST_HELD_S", 10 * LIMIT_S)


class Remembering(Inline):
    """An engine that remembers that every stage was done."""

    async def step(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        return None


async def story_in(room: Room, engine: Inline | None = None) -> Story:
    run = await asyncio.to_thread(lambda: room.runs.heal(room.open_incident(), "grace"))
    assert isinstance(run, Run), run
    past = await past_of(run.id, room.record)
    assert past is not None
    return Story(past.run, past.known, room.record, room.record, engine or Inline(), room.clock)


def diagnosis(story: Story, cause: str = "timeout") -> Diagnosis:
    incident, now = story.run.incident_id or "", story.clock.now()
    return Diagnosis(incident_id=incident, cause=cause, confidence=0.9, knowledge_digest="k", at=now)


async def diagnose(story: Story) -> Diagnosis:
    async def compute() -> Diagnosis:
        return diagnosis(story)

    return await story.stage("diagnosis", EventType.DIAGNOSIS_MADE, Diagnosis, compute, only_reads=True)


async def keys_of(room: Room, story: Story) -> list[str]:
    return await asyncio.to_thread(stages_of, room, story)


def stages_of(room: Room, story: Story) -> list[str]:
    return [entry.key.removeprefix(f"{story.run.id}/") for entry in room.record.entries(run_id=story.run.id)]


def refused(story: Story) -> PlanRefused:
    return PlanRefused(run_id=story.run.id, why="the test says so")


@pytest.mark.usefixtures("patient")
async def test_what_was_only_read_stands_with_the_next_write_in_one_commit(room: Room) -> None:
    story = await story_in(room)
    found = await diagnose(story)
    assert await keys_of(room, story) == ["opened"]
    assert story.standing("diagnosis", Diagnosis) == found
    await story.write(story.draft("plan.refused", EventType.PLAN_REFUSED, refused(story)))
    assert await keys_of(room, story) == ["opened", "diagnosis", "plan.refused"]
    assert story.known[story.key("diagnosis")].at == story.known[story.key("plan.refused")].at, (
        "one commit has one time"
    )
    assert story.standing("diagnosis", Diagnosis) == found


async def test_what_was_only_read_is_shown_after_a_moment_though_nothing_is_written(room: Room) -> None:
    story = await story_in(room)
    shown = threading.Event()
    room.record.on_commit(lambda _: shown.set())
    await diagnose(story)
    assert await asyncio.to_thread(shown.wait, LIMIT_S)
    assert await keys_of(room, story) == ["opened", "diagnosis"]
    await story.write(story.draft("plan.refused", EventType.PLAN_REFUSED, refused(story)))
    assert await keys_of(room, story) == ["opened", "diagnosis", "plan.refused"]


@pytest.mark.usefixtures("patient")
async def test_a_write_that_fails_takes_nothing_along_and_loses_nothing(room: Room) -> None:
    story = await story_in(room)
    await diagnose(story)

    def broken(_: Transaction) -> None:
        message = "no"
        raise LookupError(message)

    with pytest.raises(LookupError):
        await story.unit(broken)
    assert await keys_of(room, story) == ["opened"]
    await story.stand()
    assert await keys_of(room, story) == ["opened", "diagnosis"]


@pytest.mark.usefixtures("patient")
async def test_nothing_follows_from_a_stage_that_stands_otherwise(room: Room) -> None:
    story = await story_in(room)
    await diagnose(story)
    other = story.draft("diagnosis", EventType.DIAGNOSIS_MADE, diagnosis(story, "disk_full"))
    await asyncio.to_thread(room.record.append, other)
    with pytest.raises(StageLostError, match="diagnosis"):
        await story.write(story.draft("plan.refused", EventType.PLAN_REFUSED, refused(story)))
    assert await keys_of(room, story) == ["opened", "diagnosis"]


async def test_what_the_engine_remembers_and_the_record_lost_is_found_again(room: Room) -> None:
    story = await story_in(room, Remembering())
    found = await diagnose(story)
    await story.stand()
    assert story.standing("diagnosis", Diagnosis) == found
    assert await keys_of(room, story) == ["opened", "diagnosis"]


def test_every_stage_stands_before_the_deed(room: Room) -> None:
    stood: list[str] = []
    room.actions["note.write"].after = lambda: stood.extend(entry.key for entry in room.record.entries())
    assert room.heal().kind is SettlementKind.COMMITTED
    run_id = stood[-1].split("/")[0]
    stages = ("diagnosis", "plan", "decision", "locks", "preconditions", "snapshot", "execution.started")
    assert [key for key in stood if key.startswith(run_id)] == [
        f"{run_id}/{stage}" for stage in ("opened", *stages, "step/write/intended/1")
    ]


def test_the_verdict_stands_before_the_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    room = Room(tmp_path, Script(plan(step(target, "new"), clauses=(expect(target, "something else"),))))
    stood: list[str] = []
    restore = FilesProvider.restore

    def watched(
        self: FilesProvider,
        taken: SnapshotObject,
        ours: str | None,
        changes: tuple[str, ...],
        vault: Vault,
        *,
        rehearse: bool = False,
    ) -> Restoration:
        stood.extend(entry.type for entry in room.record.entries())
        return restore(self, taken, ours, changes, vault, rehearse=rehearse)

    monkeypatch.setattr(FilesProvider, "restore", watched)
    try:
        assert room.heal().kind is SettlementKind.ROLLED_BACK
    finally:
        room.close()
    assert EventType.VERDICT_REACHED in stood


async def test_what_people_are_asked_about_stands_before_they_are_asked(room: Room) -> None:
    story = await story_in(room)
    await diagnose(story)
    stood: list[str] = []

    class Asked(NobodyAsked):
        def request(self, run: Run, plan_digest: str, quorum: int) -> Approval:
            stood.extend(stages_of(room, story))
            return super().request(run, plan_digest, quorum)

    asking = Asking(Asked(), SafePoints(room.script))
    wanted, service = room.script.plan, room.script.named("orders")
    assert isinstance(wanted, Plan)
    assert service is not None
    question = Question(wanted, service, diagnosis(story), "grace", story.clock.now())
    with pytest.raises(AssertionError, match="nobody"):
        await asking.approve(story, wanted, room.script.decide(question))
    assert stood == ["opened", "diagnosis"]
