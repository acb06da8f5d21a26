"""Begin by hand: the incident that a person's own command is about, opened with its run or not at all."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from grace.model.events import EventType
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.run import Run
from grace.model.warrant import Refusal
from grace.record import Reader, Transaction

_SAME: Final = text(
    "SELECT id FROM runs WHERE requested_by = :by AND kind = 'heal'"
    " AND json_extract(doc, '$.run.by_hand.key') = :key ORDER BY opened_at LIMIT 1"
)


def begin_by_hand(tx: Transaction, run: Run, incident: Incident) -> Refusal | None:
    """Open the incident where it is opened for this run alone; refuse a key that a run of the same person has."""
    work = run.by_hand
    if work is None:
        message = f"{run.id} has nothing to do by hand"
        raise ValueError(message)
    if work.key:
        standing = tx.connection.execute(_SAME, {"by": run.requested_by, "key": work.key}).scalar()
        if standing is not None:
            why = f"{standing} was opened under the key {work.key} already"
            return Refusal(rule="key-used", why=why, next=f"grace runs {standing}")
    if work.has_own_incident:
        tx.append(
            Draft(
                key=f"{incident.id}/opened/{incident.occurrence}",
                type=EventType.INCIDENT_OPENED,
                actor=run.requested_by,
                incident_id=incident.id,
                service=incident.service,
                payload=incident.to_json(),
            )
        )
    return None


def standing_by_hand(reader: Reader, by: str, key: str) -> str | None:
    """Return the run that this person opened under this key."""
    if not key:
        return None
    with reader.read() as connection:
        found = connection.execute(_SAME, {"by": by, "key": key}).scalar()
    return None if found is None else str(found)
