"""The table `incidents`. Its counters are rows of their own: doors advance them, and a rebuild keeps them."""

from sqlite3 import Connection
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Escalation
from grace.model.events import EventType, IncidentClosed
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.prepared import Prepared
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import document, noun_of
from grace.record.store.tables import incidents, read_time

_INCIDENT: Final = incidents.c.id == bindparam("incident")
_COUNTED: Final = Prepared(select(incidents.c["count"], incidents.c.first_seen, incidents.c.last_seen).where(_INCIDENT))
_DOC: Final = Prepared(select(incidents.c.doc).where(_INCIDENT))
_OPEN: Final = Prepared(
    insert(incidents),
    *("id", "fingerprint", "service", "environment", "opened_at"),
    *("state", "title", "updated_at", "doc", "count", "first_seen", "last_seen"),
)
_OPEN_AGAIN: Final = Prepared(
    update(incidents).where(_INCIDENT), *("state", "title", "updated_at", "doc", "count", "first_seen", "last_seen")
)
_CLOSE: Final = Prepared(update(incidents).where(_INCIDENT), "state", "updated_at")
_DIAGNOSE: Final = Prepared(update(incidents).where(_INCIDENT), "cause", "updated_at")
_TELL: Final = Prepared(update(incidents).where(_INCIDENT), "doc")


def _opened(driver: Connection, entry: LedgerEntry) -> None:
    """Insert the incident, or open it again: then its counters can only grow."""
    incident = noun_of(entry, Incident)
    told = {"state": incident.state.value, "title": incident.title, "updated_at": entry.at, "doc": entry.payload}
    standing = _COUNTED.run(driver, incident=incident.id).fetchone()
    if standing is None:
        _OPEN.run(
            driver,
            id=incident.id,
            fingerprint=incident.fingerprint,
            service=incident.service,
            environment=incident.environment,
            opened_at=entry.at,
            count=incident.count,
            first_seen=incident.first_seen,
            last_seen=incident.last_seen,
            **told,
        )
        return
    count, first_seen, last_seen = standing
    _OPEN_AGAIN.run(
        driver,
        incident=incident.id,
        count=max(count, incident.count),
        first_seen=min(read_time(first_seen), incident.first_seen),
        last_seen=max(read_time(last_seen), incident.last_seen),
        **told,
    )


def _closed(driver: Connection, entry: LedgerEntry) -> None:
    closed = noun_of(entry, IncidentClosed)
    _CLOSE.run(driver, incident=closed.incident_id, state=IncidentState.CLOSED.value, updated_at=entry.at)


def _escalated(driver: Connection, entry: LedgerEntry) -> None:
    """Put the hand-over into the incident's document; the next opening writes that anew."""
    incident = noun_of(entry, Escalation).incident_id
    standing = document(_DOC.run(driver, incident=incident))
    if standing:
        _TELL.run(driver, incident=incident, doc={**standing, "escalation": entry.payload})


def _diagnosed(driver: Connection, entry: LedgerEntry) -> None:
    diagnosis = noun_of(entry, Diagnosis)
    _DIAGNOSE.run(driver, incident=diagnosis.incident_id, cause=diagnosis.cause, updated_at=entry.at)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.INCIDENT_OPENED: _opened,
    EventType.INCIDENT_UPDATED: _opened,
    EventType.INCIDENT_ESCALATED: _escalated,
    EventType.INCIDENT_CLOSED: _closed,
    EventType.DIAGNOSIS_MADE: _diagnosed,
}
