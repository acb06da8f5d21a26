"""The hands: executors, one file each, and the gate that every deed passes.

An executor offers actions. An action is data (`ActionSpec`) and four verbs: which targets, what it would write,
write it, and did it happen. The way back is the provider's (exact) or another call's (compensable).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, JsonValue

from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal


class Applied(StrEnum):
    """Whether a deed that was interrupted has happened."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Journal(Protocol):
    """Where an action notes, durably and before it goes on, what it needs to be found again after a crash."""

    def note(self, handle: Mapping[str, JsonValue]) -> None:
        """Return only when the handle is on disk."""
        ...

    def keep(self, content: bytes) -> str:
        """Put bytes (a changeset, an output) into the vault, durably; return their address."""
        ...

    def fetch(self, address: str) -> bytes:
        """Return what `keep` stored."""
        ...

    def earlier(self) -> Mapping[str, JsonValue]:
        """Return what interrupted attempts at this same deed noted, later notes over earlier ones; else nothing."""
        ...


class Action(Protocol):
    """One thing that can be done. Failures of the world come back as values, never as exceptions."""

    @property
    def spec(self) -> ActionSpec:
        """Return the action as data."""
        ...

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the canonical targets that this call would write; read-only."""
        ...

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what would be written, for people to read and to be compared after a crash; read-only."""
        ...

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Do it. Called by the gate alone."""
        ...

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell from the world, not from memory, whether an interrupted call of `apply` took effect."""
        ...


@runtime_checkable
class Gathers(Protocol):
    """An action that keeps files in GRACE's own folder while it acts, and so has to clear them up after a crash."""

    def gather(self, parameters: BaseModel, handle: Mapping[str, JsonValue], journal: Journal) -> None:
        """Note what an interrupted call of `apply` left, as its end would have, and then remove the files.

        Asked after `probe`, which answers the same before, in between and afterwards; the target is not touched.
        """
        ...


@runtime_checkable
class Lingers(Protocol):
    """An action that others carry out: what was asked of them may take effect long after GRACE was killed."""

    def at_work_s(self, parameters: BaseModel, handle: Mapping[str, JsonValue]) -> float:
        """Return for how long yet an interrupted call of `apply` may take effect, never more than its own time limit.

        Until then its `probe` answers `unknown` where it sees no effect, and is asked again.
        """
        ...


@runtime_checkable
class Leads(Protocol):
    """An action that is given paths by name, and a name may lead elsewhere later: by a symlink, or a folder renamed."""

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return, path by path as it is named, the id of the target that it leads to now, or why it leads nowhere."""
        ...


class Executor(Protocol):
    """A kind of hand: found by entry point `grace.executors`, one file each."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """Return the actions by name, each beginning with the executor's kind and a dot."""
        ...
