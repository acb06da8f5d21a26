"""How an entry is written: the leaf bytes that the tree holds, and the payload beside it under a salted digest.

The leaf is the canonical JSON of every field but the payload. The payload's digest is SHA-256 over a secret salt and
the payload's canonical JSON; erase salt and payload, and nothing is left to guess, while every proof still holds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import repeat
from operator import itemgetter
from typing import Final, NamedTuple

import orjson
from pydantic import JsonValue

from grace.kit.canonical import NotCanonicalError, canonical_each, parse_json
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.wording import in_words
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.ledger.tree import LEAF_PREFIX
from grace.record.store.damage import PUT_BACK, RecordDamagedError

SALT_SIZE: Final = 32
EntryRow = tuple[int, str, str, str, str, str | None, str | None, str | None, str]
PayloadRow = tuple[int, bytes, str]
StoredRow = tuple[int, str, str, str, str, str | None, str | None, str | None, str, str | None]

# Reading an attribute of a model takes three times as long as reading a member of its dictionary.
_FIELDS: Final = itemgetter("key", "type", "actor", "run_id", "incident_id", "service", "payload")
ENTRY_COLUMNS: Final = '"index", key, type, at, actor, run_id, incident_id, service, payload_digest'


class Prepared(NamedTuple):
    """A draft with everything done that needs neither its place in the log nor the time."""

    key: str
    type: str
    actor: str
    run_id: str | None
    incident_id: str | None
    service: str | None
    salt: bytes
    payload: str
    payload_digest: str
    draft: Draft

    def entry(self, index: int, at: datetime) -> LedgerEntry:
        return LedgerEntry.of(self.draft, index=index, at=at, payload_digest=self.payload_digest)


class Placed(NamedTuple):
    """What is written of neighbouring entries, each in the order of the log."""

    entries: Iterator[EntryRow]
    payloads: Iterator[PayloadRow]
    leaf_hashes: list[bytes]


_make_prepared: Final[Callable[[Iterable[object]], Prepared]] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType] - of a tuple of anything
    Prepared,
)
"""A third of what calling it takes."""


def prepare(drafts: Collection[Draft], salts: bytes) -> tuple[Prepared, ...]:
    """Digest each payload with its part of the salts; raise NotCanonicalError for what has no canonical JSON."""
    if not drafts:
        return ()
    # A group may be large: it is worked through by columns, which costs less than a call or an object an entry.
    keys, kinds, actors, run_ids, incident_ids, services, bodies = zip(
        *[_FIELDS(draft.__dict__) for draft in drafts], strict=True
    )
    payloads = canonical_each(bodies)
    _require_texts(keys, actors, run_ids, incident_ids, services)
    own_salts = [salts[start : start + SALT_SIZE] for start in range(0, len(salts), SALT_SIZE)]
    salted = zip(own_salts, payloads, strict=True)
    digests = [f"sha256:{sha256(salt + payload).hexdigest()}" for salt, payload in salted]
    texts = map(bytes.decode, payloads)
    columns = (keys, map(str, kinds), actors, run_ids, incident_ids, services, own_salts, texts, digests, drafts)
    return tuple(map(_make_prepared, zip(*columns, strict=True)))


def place(prepared: Collection[Prepared], first: int, at: str) -> Placed:
    """Give neighbouring entries their places in the log, from `first` on, and their time."""
    keys, kinds, actors, run_ids, incident_ids, services, salts, payloads, digests, _ = zip(*prepared, strict=True)
    places = range(first, first + len(keys))
    leaf_hashes: list[bytes] = []
    # The keys stand in their canonical order, and orjson writes texts as RFC 8785 does: a property test holds both.
    for index, key, kind, actor, run_id, incident_id, service, digest in zip(
        places, keys, kinds, actors, run_ids, incident_ids, services, digests, strict=True
    ):
        leaf = orjson.dumps(
            {
                "actor": actor,
                "at": at,
                "incident_id": incident_id,
                "index": index,
                "key": key,
                "payload_digest": digest,
                "run_id": run_id,
                "service": service,
                "type": kind,
            }
        )
        leaf_hashes.append(sha256(LEAF_PREFIX + leaf).digest())
    entries = zip(places, keys, kinds, repeat(at), actors, run_ids, incident_ids, services, digests)
    return Placed(entries, zip(places, salts, payloads, strict=True), leaf_hashes)


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
    """Read an entry from its columns and its payload's text (None when erased).

    Raise RecordDamagedError for a row that nobody can have appended.
    """
    index, key, kind, at, actor, run_id, incident_id, service, digest, payload = row
    try:
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
            payload=None if payload is None else _object(payload),
        )
    except (ValueError, TypeError, AttributeError) as error:
        what = f"entry {index} cannot be read ({in_words(error)})"
        raise RecordDamagedError(what, PUT_BACK) from error


def _object(payload: str) -> dict[str, JsonValue]:
    read = parse_json(payload)
    if not isinstance(read, dict):
        message = "its payload is no JSON object"
        raise TypeError(message)
    return read


def _require_texts(*columns: tuple[str | None, ...]) -> None:
    """Refuse drafts with a field that is no Unicode text."""
    try:
        orjson.dumps(columns)
    except orjson.JSONEncodeError as error:
        message = f"A field of one of the drafts {list(columns[0])} has no canonical JSON: {error}"
        raise NotCanonicalError(message) from error
