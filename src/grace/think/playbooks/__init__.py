"""Playbooks: their format and schema, the expressions in them, lint, loading, rendering into a plan, and their tests.

Everything here is pure but for three ports: the eyes that look while a plan is made, the hands that name targets, and
the pins that remember which content a version has. A playbook in Python runs in a process that can reach nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, JsonValue

from grace.model.reading import Known, Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal


class Eyes(Protocol):
    """Read the world once, while planning."""

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        """Return what the probe finds now."""
        ...


class Hands(Protocol):
    """Ask an action about a call of it; nothing is written."""

    def targets(self, uses: str, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the canonical targets that the call would write."""
        ...

    def predict(self, uses: str, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what the call would write, for people to read."""
        ...


class Pins(Protocol):
    """The memory of which content a version of a playbook has."""

    def pin(self, name: str, version: str, digest: str) -> str:
        """Remember the digest for this version unless one stands; return the one that stands."""
        ...
