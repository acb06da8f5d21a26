"""Grouping: which incident a signal belongs to, when it opens or comes back, and what of that is on the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.ids import IdMint
from grace.model.events import ErrorDetected, EventType
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import Draft
from grace.model.signal import Signal
from grace.record import Transaction
from grace.think.incidents.fingerprint import fingerprint

_ACTOR: Final = "intake"
_LONGEST_TITLE: Final = 200

# Said to the driver itself, once for all signals that came together: building these costs more than running them.
_FIND: Final = """
    SELECT id, state, count, updated_at, json_extract(doc, '$.occurrence') FROM incidents
    WHERE service = ? AND environment = ? AND fingerprint = ?
"""
# Times are kept as text whose order is theirs.
_COUNT: Final = """
    UPDATE incidents SET count = count + ?, first_seen = min(first_seen, ?), last_seen = max(last_seen, ?) WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class _Fault:
    """What makes signals sightings of one fault, and those that came together, in their order."""

    service: str
    environment: str
    fingerprint: str
    sightings: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """An incident before this transaction counted more."""

    id: str
    closed_at: datetime | None
    occurrence: int
    count: int


class Incidents:
    """Group signals by fingerprint, service and environment; call `group` inside the transaction that keeps them.

    An incident is opened by its first signal and opened again by a signal that was sent after it was closed; one that
    was sent before, and only arrives now, is counted and opens nothing. `error.detected` goes on the record when an
    incident opens, when it comes back, and at each power of ten of its count.
    """

    def __init__(self, mint: IdMint) -> None:
        self._mint = mint

    def fingerprint(self, signal: Signal) -> str:
        return fingerprint(signal)

    def group(self, tx: Transaction, signals: Sequence[Signal], fingerprints: Sequence[str]) -> Sequence[str]:
        """Count new signals, in their order, and return the id of the incident of each."""
        keys = [(s.service, s.environment, mark) for s, mark in zip(signals, fingerprints, strict=True)]
        together: dict[tuple[str, str, str], list[Signal]] = {}
        for key, signal in zip(keys, signals, strict=True):
            together.setdefault(key, []).append(signal)
        incident_ids = {key: self._count(tx, _Fault(*key, tuple(seen))) for key, seen in together.items()}
        return [incident_ids[key] for key in keys]

    def _count(self, tx: Transaction, fault: _Fault) -> str:
        standing = _find(tx, fault)
        if standing is None:
            standing = _Standing(self._mint.mint("inc"), None, occurrence=0, count=0)
            _append_opened(tx, fault, standing, by=fault.sightings[0])
            _append_detected(tx, fault, standing, _powers_of_ten(0, len(fault.sightings)))
            return standing.id
        first, last = _span(fault)
        more = (len(fault.sightings), to_rfc3339(first), to_rfc3339(last), standing.id)
        tx.driver.execute(_COUNT, more)
        counts = set(_powers_of_ten(standing.count, standing.count + len(fault.sightings)))
        back = _first_after_closing(fault, standing)
        if back is not None:
            _append_opened(tx, fault, standing, by=fault.sightings[back])
            counts.add(standing.count + back + 1)
        _append_detected(tx, fault, standing, sorted(counts))
        return standing.id


def _find(tx: Transaction, fault: _Fault) -> _Standing | None:
    key = (fault.service, fault.environment, fault.fingerprint)
    row = tx.driver.execute(_FIND, key).fetchone()
    if row is None:
        return None
    incident_id, state, count, updated_at, occurrence = row
    closed_at = from_rfc3339(updated_at) if state == IncidentState.CLOSED else None
    return _Standing(incident_id, closed_at, occurrence, count)


def _first_after_closing(fault: _Fault, standing: _Standing) -> int | None:
    """Find the first sighting that was sent after the incident was closed."""
    closed_at = standing.closed_at
    if closed_at is None:
        return None
    return next((index for index, signal in enumerate(fault.sightings) if _at(signal) > closed_at), None)


def _append_opened(tx: Transaction, fault: _Fault, standing: _Standing, by: Signal) -> None:
    first, last = _span(fault)
    incident = Incident(
        id=standing.id,
        fingerprint=fault.fingerprint,
        service=fault.service,
        environment=fault.environment,
        title=_title(by),
        labels=by.labels,
        signal_id=by.id,
        occurrence=standing.occurrence + 1,
        count=standing.count + len(fault.sightings),
        first_seen=first,
        last_seen=last,
    )
    key = f"{incident.id}/opened/{incident.occurrence}"
    tx.append(_draft(key, EventType.INCIDENT_OPENED, incident))


def _append_detected(tx: Transaction, fault: _Fault, standing: _Standing, counts: Sequence[int]) -> None:
    for count in counts:
        signal = fault.sightings[count - standing.count - 1]
        detected = ErrorDetected(
            incident_id=standing.id,
            signal_id=signal.id,
            service=fault.service,
            environment=fault.environment,
            fingerprint=fault.fingerprint,
            title=_title(signal),
            severity=signal.severity.value,
            count=count,
        )
        tx.append(_draft(f"{standing.id}/detected/{count}", EventType.ERROR_DETECTED, detected))


def _draft(key: str, type_: EventType, noun: Incident | ErrorDetected) -> Draft:
    incident_id = noun.id if isinstance(noun, Incident) else noun.incident_id
    return Draft(
        key=key, type=type_, actor=_ACTOR, incident_id=incident_id, service=noun.service, payload=noun.to_json()
    )


def _powers_of_ten(above: int, up_to: int) -> list[int]:
    """List the powers of ten that a count passes or reaches on its way."""
    powers = (10**digits for digits in range(len(str(up_to))))
    return [power for power in powers if above < power <= up_to]


def _span(fault: _Fault) -> tuple[datetime, datetime]:
    times = [_at(signal) for signal in fault.sightings]
    return min(times), max(times)


def _at(signal: Signal) -> datetime:
    """Return when a signal was sent; a sender's clock that runs ahead is not believed."""
    return min(signal.at, signal.received_at)


def _title(signal: Signal) -> str:
    """Say in one line what happened: `sqlite3.OperationalError: database is locked`."""
    said = signal.message.partition("\n")[0]
    whole = signal.title if not said or said == signal.title or signal.exception is None else f"{signal.title}: {said}"
    return whole[:_LONGEST_TITLE]
