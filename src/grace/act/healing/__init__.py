"""Healing: the one workflow that knows the order of things, its stages and its recovery.

`heal.py` is the heart; each stage is a file beside it. Only this room knows the durable engine (`engine.py`). The other
rooms reach it as the ports below, so that it knows what they do and not how.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from pydantic import JsonValue

from grace.model.approval import Approval
from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Advice
from grace.model.events import PlanRefused
from grace.model.plan import Plan
from grace.model.reading import Known, Unknown
from grace.model.run import Run
from grace.model.service import Service
from grace.model.warrant import Refusal


class Engine(Protocol):
    """What healing needs of a durable engine. Its tables hold no fact."""

    async def step(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """Do the work at least once and remember its small answer; later calls return the remembered one."""
        ...

    async def hear(self, topic: str, timeout_s: float) -> None:
        """Wait until somebody rings for this run, or the time is over."""
        ...


class Thinker(Protocol):
    """From incident to plan."""

    def diagnose(self, run: Run) -> Diagnosis:
        """Return the cause with its evidence; `unknown` where the rules do not tell."""
        ...

    def plan(self, run: Run, diagnosis: Diagnosis) -> Plan | PlanRefused:
        """Return the plan with literals, or why there is none."""
        ...


class Counsel(Protocol):
    """Whom to tell of an incident that was not healed, and what."""

    def advise(self, run: Run, diagnosis: Diagnosis | None, failed: str | None) -> Advice:
        """Return the owner, what was tried (`failed` the last), the next playbook that fits, and what to suggest."""
        ...


class Eyes(Protocol):
    """Read the world once."""

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        """Return what the probe finds now."""
        ...


class Hands(Protocol):
    """Ask what a call would write."""

    def predict_written(self, uses: str, parameters: Mapping[str, JsonValue]) -> Mapping[str, JsonValue] | Refusal:
        """Return what the call would write now, or why it may not."""
        ...


class Approvals(Protocol):
    """The one approval store."""

    def request(self, run: Run, plan_digest: str, quorum: int) -> Approval:
        """Ask, once for each run and digest; return the standing question."""
        ...

    def of(self, run_id: str) -> Approval | None:
        """Return the question of this run as it stands, expired where its time is over."""
        ...

    def consume(self, run_id: str, plan_digest: str) -> bool:
        """Use a granted approval; false when there is none for this digest or another run used it."""
        ...


class Halts(Protocol):
    """The stop."""

    def is_halted_at(self, driver: sqlite3.Connection, service: str) -> bool:
        """Tell whether new deeds for this service are stopped in the state that a connection sees.

        Inside a transaction, no halt comes between the answer and what the transaction writes.
        """
        ...


class Directory(Protocol):
    """The declared services."""

    def service(self, name: str, environment: str) -> Service | None:
        """Return the service as declared now."""
        ...

    def named(self, name: str) -> Service | None:
        """Return the first service of this name, in whatever environment."""
        ...
