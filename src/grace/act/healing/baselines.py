"""Baselines on record: what a benchmark may be held against."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from grace.model.verdict import Benchmark
from grace.record import Reader
from grace.record.reading import noun_in


@dataclass(frozen=True, slots=True)
class RecordedBaselines:
    """Reads benchmarks from the record."""

    reader: Reader

    def golden(self, service: str, name: str) -> Benchmark | None:
        """Return the golden benchmark."""
        return self._newest(service, name, "golden")

    def last_healthy(self, service: str, name: str) -> Benchmark | None:
        """Return the newest benchmark of a committed run, or one taken by hand outside any open incident."""
        healthy = "(json_extract(doc, '$.healthy') OR run_id IN (SELECT id FROM runs WHERE settlement = 'committed'))"
        return self._newest(service, name, healthy)

    def _newest(self, service: str, name: str, condition: str) -> Benchmark | None:
        query = (
            f"SELECT doc FROM benchmark_runs WHERE service = :service AND name = :name AND {condition}"  # noqa: S608
            " ORDER BY at DESC LIMIT 1"
        )
        with self.reader.read() as connection:
            doc = connection.execute(text(query), {"service": service, "name": name}).scalar_one_or_none()
        return None if doc is None else noun_in(doc, Benchmark)
