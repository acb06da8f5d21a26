"""The table `incidents`. Its counters are rows of their own: doors advance them, and a rebuild keeps them."""

from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Escalation
from grace.model.events import EventType, IncidentClosed
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import LedgerEntry
from grace.record.store.projection import Projection
from grace.record.store.read_models.entries import noun_of
from grace.record.store.tables import incidents

# Made once: building a statement costs more than running it. Which columns are written is said by the parameters.
_INCIDENT: Final = incidents.c.id == bindparam("incident")
_STANDING: Final = select(incidents).where(_INCIDENT)
_OPEN: Final = insert(incidents)
_CHANGE: Final = update(incidents).where(_INCIDENT)


def _opened(connection: Connection, entry: LedgerEntry) -> None:
    """Insert the incident, or open it again: then its counters can only grow."""
    incident = noun_of(entry, Incident)
    told = {
        "state": incident.state.value,
        "title": incident.title,
        "updated_at": entry.at,
        "doc": entry.payload,
    }
    standing = connection.execute(_STANDING, {"incident": incident.id}).mappings().first()
    if standing is None:
        row = {
            "id": incident.id,
            "fingerprint": incident.fingerprint,
            "service": incident.service,
            "environment": incident.environment,
            "opened_at": entry.at,
            "count": incident.count,
            "first_seen": incident.first_seen,
            "last_seen": incident.last_seen,
        }
        connection.execute(_OPEN, row | told)
        return
    counters = {
        "count": max(standing["count"], incident.count),
        "first_seen": min(standing["first_seen"], incident.first_seen),
        "last_seen": max(standing["last_seen"], incident.last_seen),
    }
    connection.execute(_CHANGE, {"incident": incident.id, **told, **counters})


def _closed(connection: Connection, entry: LedgerEntry) -> None:
    closed = noun_of(entry, IncidentClosed)
    state = IncidentState.CLOSED.value
    connection.execute(_CHANGE, {"incident": closed.incident_id, "state": state, "updated_at": entry.at})


def _escalated(connection: Connection, entry: LedgerEntry) -> None:
    """Put the hand-over into the incident's document; the next opening writes that anew."""
    escalation = noun_of(entry, Escalation)
    standing = connection.execute(_STANDING, {"incident": escalation.incident_id}).mappings().first()
    if standing is not None:
        doc = {**standing["doc"], "escalation": entry.payload}
        connection.execute(_CHANGE, {"incident": escalation.incident_id, "doc": doc})


def _diagnosed(connection: Connection, entry: LedgerEntry) -> None:
    diagnosis = noun_of(entry, Diagnosis)
    told = {"incident": diagnosis.incident_id, "cause": diagnosis.cause, "updated_at": entry.at}
    connection.execute(_CHANGE, told)


PROJECTIONS: Final[dict[EventType, Projection]] = {
    EventType.INCIDENT_OPENED: _opened,
    EventType.INCIDENT_UPDATED: _opened,
    EventType.INCIDENT_ESCALATED: _escalated,
    EventType.INCIDENT_CLOSED: _closed,
    EventType.DIAGNOSIS_MADE: _diagnosed,
}
