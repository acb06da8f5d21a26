"""Measure and rehearse on a person's word: benchmarks, golden baselines, dry restores."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import text

from grace.act.healing import Directory
from grace.act.healing.story import Stopped
from grace.act.healing.undoing import Undoer
from grace.act.healing.way_back import of_earlier
from grace.act.verification.benchmarks import BenchmarkRunner, NotGolden, declare_golden
from grace.kit.ids import IdMint
from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.model.service import Service
from grace.model.snapshot import Restoration
from grace.model.verdict import Benchmark
from grace.model.warrant import Refusal
from grace.record import Journal, Reader
from grace.record.reading import noun_in

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proofs:
    """The verbs behind `/api/verification`."""

    journal: Journal
    reader: Reader
    mint: IdMint
    directory: Directory
    runner: BenchmarkRunner
    undoer: Undoer

    def benchmark(self, service: str, name: str, by: str) -> Benchmark | Refusal:
        """Measure a declared benchmark of a service now and record it. Blocks while it measures."""
        declared = self.directory.named(service)
        if declared is None or name not in declared.benchmarks:
            why = f"{service} declares no benchmark {name}"
            return Refusal(rule="no-benchmark", why=why, next="Declare it in grace.yaml.")
        measured = _wait(self.runner.run(declared, name))
        benchmark = measured.model_copy(update={"healthy": not self._has_open_incident(declared)})
        self._append(EventType.BENCHMARK_FINISHED, benchmark, by)
        return benchmark

    def make_golden(self, benchmark_id: str, by: str) -> Benchmark | Refusal:
        """Make a passing measurement the golden baseline."""
        with self.reader.read() as connection:
            row = connection.execute(
                text("SELECT run_id, doc FROM benchmark_runs WHERE id = :id"), {"id": benchmark_id}
            ).first()
        if row is None:
            return Refusal(rule="no-benchmark", why=f"there is no benchmark {benchmark_id}")
        benchmark = noun_in(row.doc, Benchmark)
        declared = declare_golden(benchmark, is_healthy=benchmark.healthy or self._is_committed(row.run_id))
        if isinstance(declared, NotGolden):
            return Refusal(rule="not-golden", why=declared.why, next="Measure again when the service is healthy.")
        self._append(EventType.BENCHMARK_MADE_GOLDEN, declared, by)
        return declared

    def rehearse(self, snapshot_id: str) -> Sequence[Restoration] | Refusal:
        """Tell what a restore would do, object by object; write nothing."""
        with self.reader.read() as connection:
            run_id = connection.execute(
                text("SELECT run_id FROM safe_hold_snapshots WHERE id = :id"), {"id": snapshot_id}
            ).scalar_one_or_none()
        if run_id is None:
            return Refusal(rule="no-snapshot", why=f"there is no snapshot {snapshot_id}")
        return _wait(self._rehearse(str(run_id)))

    async def _rehearse(self, run_id: str) -> Sequence[Restoration] | Refusal:
        try:
            done = await of_earlier(run_id, self.reader)
        except Stopped as stopped:
            return Refusal(rule="nothing-written", why=stopped.stop.sentence)
        return await self.undoer.rehearse(done)

    def _append(self, type_: EventType, benchmark: Benchmark, by: str) -> None:
        key = self.mint.mint("bench")
        self.journal.append(
            Draft(key=key, type=type_, actor=by, service=benchmark.service, payload=benchmark.to_json())
        )

    def _has_open_incident(self, service: Service) -> bool:
        query = "SELECT 1 FROM incidents WHERE service = :service AND environment = :environment AND state = 'open'"
        with self.reader.read() as connection:
            found = connection.execute(text(query), {"service": service.name, "environment": service.environment})
            return found.first() is not None

    def _is_committed(self, run_id: str | None) -> bool:
        with self.reader.read() as connection:
            settlement = connection.execute(text("SELECT settlement FROM runs WHERE id = :id"), {"id": run_id})
            return settlement.scalar_one_or_none() == "committed"


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own; callers are threads that may block."""
    return asyncio.run(work)
