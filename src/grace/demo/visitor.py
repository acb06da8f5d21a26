"""A visitor: one identity that calls GRACE's API, and waits for what it wants to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from grace_sdk.client import ApiProblem, Client, ServerUnreachable
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from grace.demo.tale import ENTRIES, Entry, Tale
from grace.kit.clock import Clock
from grace.model.dry_plan import DryPlan
from grace.model.verdict import Benchmark

T = TypeVar("T")
_BEAT_S: Final = 0.05
_MOST: Final = 500


class WaitedTooLongError(Exception):
    """Something that should have happened did not: a scene cannot go on."""


class IncidentSeen(BaseModel):
    """One incident as the API lists it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    state: str
    cause: str | None
    title: str
    count: int
    opened_at: datetime


class RunSeen(BaseModel):
    """One run as the API lists it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    incident_id: str | None
    playbook: str | None
    stage: str
    settlement: str | None
    tier: int | None
    plan_digest: str | None
    requested_by: str
    opened_at: datetime


class ApprovalSeen(BaseModel):
    """One question to people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    run_id: str
    plan_digest: str
    requester: str
    state: str


class _Page(BaseModel):
    items: list[JsonValue]
    next_cursor: str | None = None


_INCIDENTS: Final = TypeAdapter(tuple[IncidentSeen, ...])
_RUNS: Final = TypeAdapter(tuple[RunSeen, ...])
_APPROVALS: Final = TypeAdapter(tuple[ApprovalSeen, ...])


class _Issued(BaseModel):
    secret: str


class _Checkpoint(BaseModel):
    checkpoint: str
    size: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a token. Everything goes through the HTTP API, as for any user."""

    name: str
    client: Client
    clock: Clock

    def issue_token(self, name: str, role: str, lifetime: str | None = None) -> str:
        body: dict[str, JsonValue] = {"name": name, "role": role, "lifetime": lifetime}
        return _Issued.model_validate(self.client.post("/api/auth/tokens", body=body)).secret

    def incidents(self) -> tuple[IncidentSeen, ...]:
        """Return every incident, oldest first."""
        return _INCIDENTS.validate_python(self._items("/api/incidents"))[::-1]

    def runs(self, incident_id: str | None = None) -> tuple[RunSeen, ...]:
        """Return every run, or those of one incident, oldest first."""
        return _RUNS.validate_python(self._items("/api/runs", {"incident_id": incident_id}))[::-1]

    def tale(self, run_id: str) -> Tale:
        """Return what the ledger says of a run so far."""
        entries: list[Entry] = []
        cursor: str | None = None
        while True:
            query = {"limit": _MOST, "cursor": cursor}
            page = _Page.model_validate(self.client.get(f"/api/runs/{run_id}/ledger", query))
            entries += ENTRIES.validate_python(page.items)
            if page.next_cursor is None:
                return Tale(run_id, entries)
            cursor = page.next_cursor

    def heal(self, incident_id: str, playbook: str, inputs: Mapping[str, str] | None = None) -> RunSeen:
        """Ask for a heal by a named playbook."""
        body: dict[str, JsonValue] = {"incident_id": incident_id, "playbook": playbook, "inputs": dict(inputs or {})}
        return RunSeen.model_validate(self.client.post("/api/runs", body=body))

    def foresee(self, incident_id: str, playbook: str, inputs: Mapping[str, str]) -> DryPlan:
        """Ask what a heal would do; nothing happens."""
        body: dict[str, JsonValue] = {"playbook": playbook, "inputs": dict(inputs)}
        return DryPlan.model_validate(self.client.post(f"/api/incidents/{incident_id}/plan", body=body))

    def question_of(self, run_id: str, within_s: float = 10) -> ApprovalSeen:
        """Wait for the question that a run asks."""

        def asked() -> ApprovalSeen | None:
            waiting = _APPROVALS.validate_python(self._items("/api/autonomy/approvals"))
            return next((one for one in waiting if one.run_id == run_id), None)

        return self.wait_for(asked, f"the question of {run_id}", within_s)

    def approve(self, approval_id: str, digest: str, reason: str) -> ApiProblem | None:
        """Say yes to one digest; return the refusal, if that is the answer."""
        body: dict[str, JsonValue] = {"decision": "approve", "plan_digest": digest, "reason": reason}
        return self._refusal(lambda: self.client.post(f"/api/autonomy/approvals/{approval_id}", body=body))

    def refused_heal(self, incident_id: str, playbook: str, inputs: Mapping[str, str]) -> ApiProblem | None:
        """Ask for a heal that should be refused; return the refusal."""
        return self._refusal(lambda: self.heal(incident_id, playbook, inputs))

    def measure(self, service: str) -> tuple[str, Benchmark]:
        """Measure the benchmark `smoke` now; return the id it is kept under with what was measured."""
        measured = Benchmark.model_validate(
            self.client.post("/api/verification/benchmarks/smoke", body={"service": service})
        )
        newest = self._items("/api/verification/benchmarks", {"service": service})[0]
        return _IdSeen.model_validate(newest).id, measured

    def make_golden(self, benchmark_id: str) -> None:
        self.client.post(f"/api/verification/benchmarks/{benchmark_id}/set_golden", body={})

    def checkpoint(self) -> tuple[str, int]:
        """Return a signed checkpoint of the log as it is now, and its size."""
        seen = _Checkpoint.model_validate(self.client.get("/api/log/checkpoint"))
        return seen.checkpoint, seen.size

    def export(self, file: Path) -> int:
        """Write the whole log to a file; return its size in bytes."""
        with file.open("xb") as target:
            return sum(target.write(chunk) for chunk in self.client.stream("/api/log/export"))

    def is_answered(self) -> bool:
        """Tell whether the server answers."""
        try:
            self.client.get("/api/healthz")
        except ServerUnreachable:
            return False
        return True

    def wait_for(self, look: Callable[[], T | None], what: str, within_s: float) -> T:
        """Look until something is there; raise WaitedTooLongError when it never is."""
        return wait_for(self.clock, look, what, within_s)

    def _items(self, path: str, query: Mapping[str, object] | None = None) -> list[JsonValue]:
        return _Page.model_validate(self.client.get(path, {**(query or {}), "limit": _MOST})).items

    def _refusal(self, call: Callable[[], object]) -> ApiProblem | None:
        try:
            call()
        except ApiProblem as problem:
            return problem
        return None


class _IdSeen(BaseModel):
    id: str


def wait_for(clock: Clock, look: Callable[[], T | None], what: str, within_s: float) -> T:
    """Look until something is there; raise WaitedTooLongError when it never is."""
    deadline = clock.monotonic() + within_s
    while (found := look()) is None:
        if clock.monotonic() > deadline:
            message = f"waited {within_s:.0f} s in vain for {what}"
            raise WaitedTooLongError(message)
        clock.sleep(_BEAT_S)
    return found
