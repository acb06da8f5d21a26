"""A walk that ends while an intent is written begins no deed: who carries the run on asks the world first."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from grace.act.executors import Journal
from grace.act.executors.gate import Gate
from grace.act.healing.deeds import Deed, Deeds
from grace.act.healing.engine import DurableSteps
from grace.act.healing.story import Story
from grace.act.safehold import Vault
from grace.act.safehold.vault import open_vault
from grace.kit.clock import SystemClock
from grace.model.execution import Outcome, StepState
from grace.model.run import Run, RunKind
from grace.record import Transaction
from grace.record.opening import Record, RecordPlaces, open_record
from tests.act.healing.rig import RecordedAuthority


def _run() -> Run:
    return Run(
        id="run_1",
        kind=RunKind.HEAL,
        incident_id="inc_1",
        occurrence=1,
        service="orders",
        environment="test",
        requested_by="ada",
        opened_at=SystemClock().now(),
    )


class _Busy:
    """Somebody's slow commit, behind which the intent waits."""

    def __init__(self, record: Record) -> None:
        self._running, self._open = threading.Event(), threading.Event()
        self.future = record.submit(self._hold)
        assert self._running.wait(10)

    def _hold(self, _: Transaction) -> None:
        self._running.set()
        assert self._open.wait(10)

    def end(self) -> None:
        self._open.set()


@pytest.mark.parametrize("is_called_off", [True, False])
def test_a_deed_is_begun_unless_its_walk_ended_meanwhile(tmp_path: Path, is_called_off: bool) -> None:
    done: list[str] = []

    def perform(_: Journal) -> Outcome:
        done.append("performed")
        return Outcome(state=StepState.DONE)

    async def walk(record: Record, vault: Vault) -> None:
        story = Story(_run(), {}, record, record, DurableSteps(), SystemClock())
        deeds = Deeds(Gate({}, RecordedAuthority(record)), vault)
        deed = Deed(stage="step/a", step_id="a", uses="file.write", parameters={}, perform=perform)
        intent = deeds.intent(story, deed)
        reached = threading.Event()

        def begin() -> None:
            reached.set()
            story.unit_here(lambda tx: tx.append(intent))

        busy = _Busy(record)
        task = asyncio.create_task(deeds.do(story, deed, begin, is_new=True))
        assert await asyncio.to_thread(reached.wait, 10)
        if is_called_off:
            task.cancel()
            await asyncio.wait({task})
        busy.end()
        if not is_called_off:
            assert (await task).state is StepState.DONE
        await asyncio.get_running_loop().shutdown_default_executor()

    vault = open_vault(tmp_path / "vault", tmp_path / "vault.key")
    with open_record(RecordPlaces.within(tmp_path / "grace")) as record:
        asyncio.run(walk(record, vault))
        assert record.find("run_1/step/a/intended/1") is not None
    assert done == ([] if is_called_off else ["performed"])
