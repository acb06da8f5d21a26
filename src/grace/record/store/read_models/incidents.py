"""The table `incidents`. Its counters are rows of their own: doors advance them, and a rebuild keeps them."""

from typing import Final

from sqlalchemy import Connection, insert, select, update

from grace.model.diagnosis import Diagnosis
from grace.model.events import EventType, IncidentClosed
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import incidents


def _opened(connection: Connection, entry: LedgerEntry) -> None:
    """Insert the incident, or open it again: then its counters can only grow."""
    incident = noun_of(entry, Incident)
    told = {
        "state": incident.state.value,
        "title": incident.title,
        "updated_at": entry.at,
        "doc": entry.payload,
    }
    standing = connection.execute(select(incidents).where(incidents.c.id == incident.id)).mappings().first()
    if standing is None:
        connection.execute(
            insert(incidents).values(
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
        )
        return
    counters = {
        "count": max(standing["count"], incident.count),
        "first_seen": min(standing["first_seen"], incident.first_seen),
        "last_seen": max(standing["last_seen"], incident.last_seen),
    }
    connection.execute(update(incidents).where(incidents.c.id == incident.id).values(**told, **counters))


def _closed(connection: Connection, entry: LedgerEntry) -> None:
    closed = noun_of(entry, IncidentClosed)
    connection.execute(
        update(incidents)
        .where(incidents.c.id == closed.incident_id)
        .values(state=IncidentState.CLOSED.value, updated_at=entry.at)
    )


def _diagnosed(connection: Connection, entry: LedgerEntry) -> None:
    diagnosis = noun_of(entry, Diagnosis)
    connection.execute(
        update(incidents)
        .where(incidents.c.id == diagnosis.incident_id)
        .values(cause=diagnosis.cause, updated_at=entry.at)
    )


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.INCIDENT_OPENED: _opened,
    EventType.INCIDENT_UPDATED: _opened,
    EventType.INCIDENT_CLOSED: _closed,
    EventType.DIAGNOSIS_MADE: _diagnosed,
}
