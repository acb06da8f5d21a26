"""How an entry is written: the leaf bytes that the tree holds, and the payload beside it under a salted digest.

The leaf is the canonical JSON of every field but the payload. The payload's digest is SHA-256 over a secret salt and the
payload's canonical JSON; erase salt and payload, and nothing is left to guess, while every proof still holds.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, cast

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft with everything done that needs neither its place in the log nor the time."""

    draft: Draft
    salt: bytes
    payload: str
    payload_digest: str
    # The leaf's bytes around its time and its index: canonical JSON sorts actor, at, incident_id, index, key, ...
    before_at: bytes
    before_index: bytes
    after_index: bytes

    def leaf(self, index: int, at: str) -> bytes:
        return b"%b%b%b%d%b" % (self.before_at, at.encode(), self.before_index, index, self.after_index)

    def entry_row(self, index: int, at: str) -> EntryRow:
        draft = self.draft
        return (
            index,
            draft.key,
            draft.type.value,
            at,
            draft.actor,
            draft.run_id,
            draft.incident_id,
            draft.service,
            self.payload_digest,
        )

    def entry(self, index: int, at: datetime) -> LedgerEntry:
        draft = self.draft
        # Every field was validated when the draft was made.
        return LedgerEntry.model_construct(
            index=index,
            key=draft.key,
            type=draft.type,
            at=at,
            actor=draft.actor,
            run_id=draft.run_id,
            incident_id=draft.incident_id,
            service=draft.service,
            payload_digest=self.payload_digest,
            payload=draft.payload,
        )


def prepare(draft: Draft, entropy: Callable[[int], bytes] = os.urandom) -> Prepared:
    """Salt and digest a draft's payload and write its leaf but for time and index, or raise NotCanonicalError."""
    salt = entropy(SALT_SIZE)
    payload = canonical(draft.payload)
    digest = payload_digest(salt, payload)
    return Prepared(
        draft=draft,
        salt=salt,
        payload=payload.decode(),
        payload_digest=digest,
        before_at=b'{"actor":%b,"at":"' % _text(draft.actor),
        before_index=b'","incident_id":%b,"index":' % _text(draft.incident_id),
        after_index=b',"key":%b,"payload_digest":"%b","run_id":%b,"service":%b,"type":%b}'
        % (
            _text(draft.key),
            digest.encode(),
            _text(draft.run_id),
            _text(draft.service),
            _text(draft.type.value),
        ),
    )


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


def _text(value: str | None) -> bytes:
    """Write a text as canonical JSON does (RFC 8785 and orjson escape alike; a property test holds them to that)."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        message = f"The text {value!r} has no canonical JSON: {error}"
        raise NotCanonicalError(message) from error
