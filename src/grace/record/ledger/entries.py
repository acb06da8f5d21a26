"""How an entry is written: the leaf bytes that the tree holds, and the payload beside it under a salted digest.

The leaf is the canonical JSON of every field but the payload. The payload's digest is SHA-256 over a secret salt and
the payload's canonical JSON; erase salt and payload, and nothing is left to guess, while every proof still holds.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple, cast

import orjson
from pydantic import JsonValue

from grace.kit.canonical import NotCanonicalError, canonical, parse_json
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry

SALT_SIZE: Final = 32
EntryRow = tuple[int, str, str, str, str, str | None, str | None, str | None, str]
PayloadRow = tuple[int, bytes, str]
StoredRow = tuple[int, str, str, str, str, str | None, str | None, str | None, str, str | None]

ENTRY_COLUMNS: Final = '"index", key, type, at, actor, run_id, incident_id, service, payload_digest'


class Prepared(NamedTuple):
    """A draft with everything done that needs neither its place in the log nor the time."""

    draft: Draft
    type: str
    salt: bytes
    payload: str
    payload_digest: str

    def leaf(self, index: int, at: str) -> bytes:
        """Return the canonical JSON of every field but the payload."""
        draft = self.draft
        # The keys stand in their canonical order, and orjson writes texts as RFC 8785 does: a property test holds both.
        return orjson.dumps(
            {
                "actor": draft.actor,
                "at": at,
                "incident_id": draft.incident_id,
                "index": index,
                "key": draft.key,
                "payload_digest": self.payload_digest,
                "run_id": draft.run_id,
                "service": draft.service,
                "type": self.type,
            }
        )

    def entry_row(self, index: int, at: str) -> EntryRow:
        draft = self.draft
        return (
            index,
            draft.key,
            self.type,
            at,
            draft.actor,
            draft.run_id,
            draft.incident_id,
            draft.service,
            self.payload_digest,
        )

    def entry(self, index: int, at: datetime) -> LedgerEntry:
        return LedgerEntry.of(self.draft, index=index, at=at, payload_digest=self.payload_digest)


def prepare(draft: Draft, salt: bytes) -> Prepared:
    """Digest a draft's payload with a secret salt; raise NotCanonicalError when a field has no canonical JSON."""
    _require_text(draft)
    payload = canonical(draft.payload)
    return Prepared(draft, str(draft.type), salt, payload.decode(), payload_digest(salt, payload))


def payload_digest(salt: bytes, payload: bytes) -> str:
    return f"sha256:{sha256(salt + payload).hexdigest()}"


def header_of(entry: LedgerEntry) -> dict[str, JsonValue]:
    """Return all fields of an entry but its payload, as they stand in the leaf."""
    return {
        "index": entry.index,
        "key": entry.key,
        "type": entry.type.value,
        "at": to_rfc3339(entry.at),
        "actor": entry.actor,
        "run_id": entry.run_id,
        "incident_id": entry.incident_id,
        "service": entry.service,
        "payload_digest": entry.payload_digest,
    }


def entry_from_row(row: StoredRow) -> LedgerEntry:
    """Read an entry from its columns and its payload's text (None when erased)."""
    index, key, kind, at, actor, run_id, incident_id, service, digest, payload = row
    return LedgerEntry.model_construct(
        index=index,
        key=key,
        type=EventType(kind),
        at=from_rfc3339(at),
        actor=actor,
        run_id=run_id,
        incident_id=incident_id,
        service=service,
        payload_digest=digest,
        payload=None if payload is None else cast("dict[str, JsonValue]", parse_json(payload)),
    )


def _require_text(draft: Draft) -> None:
    try:
        orjson.dumps((draft.key, draft.actor, draft.run_id, draft.incident_id, draft.service))
    except orjson.JSONEncodeError as error:
        message = f"A field of the draft {draft.key!r} has no canonical JSON: {error}"
        raise NotCanonicalError(message) from error
