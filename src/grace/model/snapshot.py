"""Snapshot: a restore point of exactly what the plan may write."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from grace.model.noun import Noun
from grace.model.target import Target


class SnapshotObject(Noun):
    """One target as it was: digest of its exact state and where the vault keeps it."""

    target: Target
    provider: str
    digest: str
    content: str
    """Address in the vault of what is needed to restore."""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """What a person wants to see: size, mode, tables, …"""


class KeptEvidence(Noun):
    """A file or log of the target, kept before the first write."""

    name: str
    source: str
    content: str
    digest: str
    size: int


class Snapshot(Noun):
    """All objects in scope, digest by digest, and the evidence."""

    id: str
    run_id: str
    plan_digest: str
    objects: tuple[SnapshotObject, ...] = ()
    evidence: tuple[KeptEvidence, ...] = ()
    taken_at: datetime


class RestoreState(StrEnum):
    """How the way back of one object ended."""

    EQUAL = "equal"
    """The digest equals the snapshot's again."""
    UNTOUCHED = "untouched"
    """The digest never differed."""
    FOREIGN = "foreign"
    """Somebody else changed the same object: nothing was overwritten, the difference is shown."""
    FAILED = "failed"


class Restoration(Noun):
    """The three-way check of one object (before, ours, now) and its end."""

    target: Target
    provider: str
    state: RestoreState
    before: str
    ours: str | None
    now: str | None
    difference: str = ""

    @property
    def is_back(self) -> bool:
        """Tell whether the object is what it was before."""
        return self.state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}
