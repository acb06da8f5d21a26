"""Wake up for incidents: each one that opens gets its run, once for each time it opens."""

from __future__ import annotations

from grace.act.healing.runs import Runs
from grace.model.events import EventType
from grace.model.incident import Incident
from grace.model.ledger_entry import LedgerEntry
from grace.record.mesh.delivery import Mesh

SUBSCRIBER = "healing"


def heal_new_incidents(mesh: Mesh, runs: Runs) -> None:
    """Subscribe healing to the mesh, from the first entry on; a refusal means that a run stands already."""

    def deliver(entry: LedgerEntry) -> None:
        if entry.payload is not None:
            runs.heal(Incident.from_json(entry.payload), "grace")

    mesh.subscribe(SUBSCRIBER, [EventType.INCIDENT_OPENED], deliver, begins_at=0)
