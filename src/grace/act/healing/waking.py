"""Wake up for incidents: each one that opens gets its run, once for each time it opens."""

from __future__ import annotations

from grace.act.healing.runs import Runs
from grace.model.events import EventType
from grace.model.incident import Incident
from grace.model.ledger_entry import LedgerEntry
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.subscription import RetryRule

SUBSCRIBER = "healing"
PATIENCE = RetryRule(attempts=2_880, longest_delay_s=30.0)
"""About a day: an incident whose run cannot be opened now, because the disk is full, still gets it afterwards."""


def heal_new_incidents(mesh: Mesh, runs: Runs) -> None:
    """Subscribe healing to the mesh, from the first entry on; a refusal means that a run stands already."""

    def deliver(entry: LedgerEntry) -> None:
        if entry.payload is not None:
            runs.heal(Incident.from_json(entry.payload), "grace")

    mesh.subscribe(SUBSCRIBER, [EventType.INCIDENT_OPENED], deliver, begins_at=0, rule=PATIENCE)
