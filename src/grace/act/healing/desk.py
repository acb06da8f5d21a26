"""The incident desk: what people ask of an incident, a dry plan or its closing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from grace.act.healing.thinker import RecordedThinker
from grace.model.dry_plan import DryPlan
from grace.model.events import EventType, IncidentClosed
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import Draft
from grace.model.warrant import Refusal
from grace.record import Journal, Transaction


@dataclass(frozen=True, slots=True)
class IncidentDesk:
    """Plans for incidents and closes them."""

    journal: Journal
    thinker: RecordedThinker

    def plan(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> DryPlan | Refusal:
        """Diagnose, plan and decide; change nothing outside the record."""
        return self.thinker.foresee(incident, by, playbook=playbook, inputs=inputs)

    def close(self, incident: Incident, by: str, reason: str) -> Incident | Refusal:
        """Close an open incident; refused while a run is at work on it."""

        def unit(tx: Transaction) -> Refusal | None:
            refusal = _refuses(tx, incident.id)
            if refusal is None:
                closed = IncidentClosed(incident_id=incident.id, by=by, reason=reason)
                tx.append(
                    Draft(
                        key=f"{incident.id}/closed/{incident.occurrence}",
                        type=EventType.INCIDENT_CLOSED,
                        actor=by,
                        incident_id=incident.id,
                        service=incident.service,
                        payload=closed.to_json(),
                    )
                )
            return refusal

        refusal = self.journal.run(unit)
        return refusal or incident.model_copy(update={"state": IncidentState.CLOSED})


def _refuses(tx: Transaction, incident_id: str) -> Refusal | None:
    state = tx.connection.execute(
        text("SELECT state FROM incidents WHERE id = :id"), {"id": incident_id}
    ).scalar_one_or_none()
    if state != IncidentState.OPEN:
        return Refusal(rule="not-open", why=f"{incident_id} is {state or 'not on the record'}", next="grace incidents")
    at_work = tx.connection.execute(
        text("SELECT id FROM runs WHERE incident_id = :id AND settlement IS NULL"), {"id": incident_id}
    ).first()
    if at_work is None:
        return None
    return Refusal(rule="at-work", why=f"{at_work[0]} is at work on {incident_id}", next=f"grace runs {at_work[0]}")
