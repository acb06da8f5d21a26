"""LedgerEntry: one line of the append-only Merkle log, and the Draft from which the ledger makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Self, TypeVar

from pydantic import JsonValue

from grace.model.events import EventType
from grace.model.noun import Noun

N = TypeVar("N", bound=Noun)


class Draft(Noun):
    """What someone wants on the record. The first entry for a key stands; a later draft with that key changes nothing.

    The key names the fact, not the attempt: a stage that runs again after a power cut makes the same key.
    """

    key: str
    type: EventType
    actor: str
    run_id: str | None = None
    incident_id: str | None = None
    service: str | None = None
    payload: dict[str, JsonValue]

    __slots__ = ("_told",)

    @classmethod
    def telling(cls, noun: Noun, fields: dict[str, object]) -> Self:
        """Make a draft of valid fields, every one but the payload and in order, which is the noun as JSON."""
        draft = cls.trusted({**fields, "payload": noun.to_json()})
        object.__setattr__(draft, "_told", noun)
        return draft


class LedgerEntry(Noun):
    """One recorded fact. `payload` is None when it was erased; its digest stays and so does every proof."""

    index: int
    key: str
    type: EventType
    at: datetime
    actor: str
    run_id: str | None
    incident_id: str | None
    service: str | None
    payload_digest: str
    payload: dict[str, JsonValue] | None

    __slots__ = ("_told",)  # Which an entry has that was written just now; read from disk, it is read from its payload.

    @classmethod
    def of(cls, draft: Draft, *, index: int, at: datetime, payload_digest: str) -> Self:
        """Place a draft, whose fields were validated when it was made."""
        # Reading an attribute of a model takes three times as long as reading a member of its dictionary.
        said = draft.__dict__
        entry = cls.trusted(
            {
                "index": index,
                "key": said["key"],
                "type": said["type"],
                "at": at,
                "actor": said["actor"],
                "run_id": said["run_id"],
                "incident_id": said["incident_id"],
                "service": said["service"],
                "payload_digest": payload_digest,
                "payload": said["payload"],
            }
        )
        told: Noun | None = getattr(draft, "_told", None)
        if told is not None:
            object.__setattr__(entry, "_told", told)
        return entry

    def noun(self, kind: type[N]) -> N | None:
        """Return the payload as its noun, None where it was erased; raise `pydantic.ValidationError` for another."""
        told: Noun | None = getattr(self, "_told", None)
        if type(told) is kind:
            return told
        return None if self.payload is None else kind.from_json(self.payload)

    @property
    def is_erased(self) -> bool:
        return self.payload is None
