"""A verified one-byte file write beside a bare durable workflow of as many steps, in one process and one engine.

Ours is a whole run of the house that `grace serve` opens: from the opening of the run to its settlement, through
diagnosis, plan, decision, locks, snapshot, deed, verdict. The peer is a DBOS workflow in the same engine and the same
file, so with the same settings (SQLite, full sync, our serializer), whose steps do nothing. Its length is what the
engine recorded of our run. Each is timed from its beginning to the end of its last step's work.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from dbos import DBOS, SetWorkflowID

from bench.rows import Row, at_most
from grace.api.house import House, Receipt
from grace.kit.clock import SystemClock
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.settings import Settings, load_settings
from grace.wiring import open_house

_RUNS: Final = 50
_WARM_UP: Final = 5
_LONGEST_RUN_S: Final = 60.0
_MS: Final = 1000.0
_AIM_RATIO: Final = 2.0

_WORDS: Final = tuple(f"{first}{second}ix" for first in "abcdefgh" for second in "klmnopqr")
"""Each signal says another thing, so that each opens an incident of its own."""
_SERVICES: Final = """\
format: 1
environment: bench
services:
  - name: orders
    owner: bench
    mode: auto
    labels: {note: NOTE}
    targets: [{kind: file, id: NOTE}]
    restraint: {runs_per_hour: 1000}
"""
_PLAYBOOK: Final = """\
format: 1
name: write-one-byte
version: 1.0.0
summary: Write one byte into a declared file
when: {cause: dependency_unavailable}
priority: 99
inputs:
  note: {type: path, from: service.labels.note, summary: The file}
  byte: {type: text, from: incident.labels.byte, summary: What it says afterwards}
do:
  - {id: write, uses: file.write, with: {path: "${{ inputs.note }}", content: "${{ inputs.byte }}"}}
contract:
  after:
    - {probe: file.text, with: {path: "${{ inputs.note }}"}, is: "${{ inputs.byte }}"}
on_violated: roll_back
on_inconclusive: roll_back
"""
_POLICY: Final = """\
@id("bench-one-byte")
@reason("One byte of one declared file")
permit (principal == Playbook::"write-one-byte", action == Action::"act_alone", resource == Service::"orders")
when { context.step.deed == Deed::"file.write" };
"""


def measure(runs: int = _RUNS, warm_up: int = _WARM_UP) -> list[Row]:
    """Alternate runs and bare workflows and compare their medians; raise when a run did not commit."""
    with tempfile.TemporaryDirectory() as name, open_house(_settings(Path(name))) as running:
        stopwatch = _Stopwatch(running.house)
        bare = _Bare()
        ours: list[float] = []
        peer: list[float] = []
        steps, run_id = 0, ""
        for number in range(warm_up + runs):
            run_id, took = stopwatch.time_run(number)
            steps = _steps_of(run_id)
            beside = bare.time_workflow(f"bare-{number}", steps)
            if number >= warm_up:
                ours.append(took * _MS)
                peer.append(beside * _MS)
        entries = sum(1 for _ in running.house.record.entries(run_id=run_id))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    note = f"{steps} steps each, median of {runs} alternating; ours writes {entries} ledger entries besides"
    aim = at_most(_AIM_RATIO)
    return [Row("verified one-byte write", mine, theirs, "ms", "DBOS workflow, steps alone", mine / theirs, aim, note)]


class _Stopwatch:
    """Sends a signal and watches the ledger: when its run opened, and when it settled."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._moments: list[tuple[int, float]] = []
        self._awaited = 0
        self._reached = threading.Event()
        self._entries = 0
        """How many entries a signal leads to: learned from the first one, so that nothing is asked while it runs."""
        house.record.on_commit(self._notice)

    def time_run(self, number: int) -> tuple[str, float]:
        """Return the id of the run that the signal led to, and the seconds from its opening to its settlement."""
        before = self._house.record.head().size - 1
        self._moments.clear()
        self._await(before + (self._entries or 1))
        receipt = asyncio.run(self._house.door.accept(_signal(number)))
        if not isinstance(receipt, Receipt) or receipt.accepted != 1:
            message = f"the door said {receipt}"
            raise RuntimeError(message)
        opened, settled = self._wait_for(EventType.RUN_OPENED, before), self._wait_for(EventType.RUN_SETTLED, before)
        if settled.payload is None or settled.payload["kind"] != "committed" or opened.run_id is None:
            message = f"the run did not commit: {settled.payload}"
            raise RuntimeError(message)
        self._entries = self._house.record.head().size - 1 - before
        return opened.run_id, self._committed(settled.index) - self._committed(opened.index)

    def _await(self, index: int) -> None:
        self._awaited = index
        self._reached.clear()

    def _notice(self, highest: int) -> None:
        self._moments.append((highest, time.perf_counter()))
        if highest >= self._awaited:
            self._reached.set()

    def _committed(self, index: int) -> float:
        return next(at for highest, at in self._moments if highest >= index)

    def _wait_for(self, type_: EventType, after: int) -> LedgerEntry:
        deadline = time.monotonic() + _LONGEST_RUN_S
        while self._reached.wait(deadline - time.monotonic()):
            found = next(self._house.record.entries(after, types=[type_], limit=1), None)
            if found is not None:
                return found
            self._await(self._awaited + 1)
        message = f"no {type_} came in {_LONGEST_RUN_S:g} s"
        raise TimeoutError(message)


class _Bare:
    """Runs workflows whose steps do nothing, one after the other."""

    def __init__(self) -> None:
        self._steps = 0
        self._ended = 0.0

        async def nothing() -> None:
            self._ended = time.perf_counter()

        async def walk() -> str:
            for step in range(self._steps):
                await DBOS.run_step_async({"name": f"step-{step}"}, nothing)
            return "done"

        self._walk: Callable[[], Awaitable[str]] = DBOS.workflow(name="bare")(walk)

    def time_workflow(self, workflow_id: str, steps: int) -> float:
        """Return the seconds from the start of a workflow of so many steps to the end of the last one."""
        self._steps = steps
        began = time.perf_counter()
        with SetWorkflowID(workflow_id):
            handle = DBOS.start_workflow(self._walk)
        handle.get_result()
        return self._ended - began


def _steps_of(run_id: str) -> int:
    """Count what the engine recorded of a run, once it has recorded its end."""
    DBOS.retrieve_workflow(run_id).get_result(polling_interval_sec=0.01)
    return len(DBOS.list_workflow_steps(run_id))


def _signal(number: int) -> bytes:
    signal = {
        "format": 1,
        "id": f"bench-{number}",
        "service": "orders",
        "environment": "bench",
        "at": SystemClock().now().isoformat(),
        "kind": "exception",
        "title": f"connection refused by {_WORDS[number // len(_WORDS)]} {_WORDS[number % len(_WORDS)]}",
        "labels": {"byte": str(number % 10)},
    }
    return json.dumps(signal).encode()


def _settings(folder: Path) -> Settings:
    for name in ("playbooks", "policies"):
        (folder / name).mkdir()
    note = folder / "note.txt"
    note.write_text("-", encoding="utf-8")
    (folder / "grace.yaml").write_text(_SERVICES.replace("NOTE", str(note)), encoding="utf-8")
    (folder / "playbooks" / "write-one-byte.yaml").write_text(_PLAYBOOK, encoding="utf-8")
    (folder / "policies" / "bench.cedar").write_text(_POLICY, encoding="utf-8")
    return load_settings(
        data_folder=folder / "data",
        services_file=folder / "grace.yaml",
        playbook_folders=(folder / "playbooks",),
        policy_folders=(folder / "policies",),
    )


if __name__ == "__main__":
    for row in measure():
        print(row)
