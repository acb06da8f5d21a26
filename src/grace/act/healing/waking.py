"""Wake up for incidents: each one that opens gets its run, and after a playbook that was undone the next its own."""

from __future__ import annotations

from grace.act.healing.escalating import AUTOMATIC, climbs_on
from grace.act.healing.runs import Runs
from grace.model.events import EventType
from grace.model.incident import Incident
from grace.model.ledger_entry import LedgerEntry
from grace.model.settlement import Settlement
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.subscription import RetryRule

SUBSCRIBER = "healing"
CLIMBER = "climbing"
PATIENCE = RetryRule(attempts=2_880, longest_delay_s=30.0)
"""About a day: an incident whose run cannot be opened now, because the disk is full, still gets it afterwards."""


def heal_new_incidents(mesh: Mesh, runs: Runs) -> None:
    """Subscribe healing to the mesh, from the first entry on; a refusal means that a run stands already."""

    def deliver(entry: LedgerEntry) -> None:
        if entry.payload is not None:
            runs.heal(Incident.from_json(entry.payload), AUTOMATIC)

    mesh.subscribe(SUBSCRIBER, [EventType.INCIDENT_OPENED], deliver, begins_at=0, rule=PATIENCE)


def climb_ladders(mesh: Mesh, runs: Runs) -> None:
    """Subscribe to settlements: a run that was undone and handed over to nobody is followed by the next playbook's."""

    def deliver(entry: LedgerEntry) -> None:
        run = runs.run(entry.run_id or "")
        if run is None or entry.payload is None or runs.is_handed_over(run.id):
            return
        if climbs_on(run.requested_by, Settlement.from_json(entry.payload).kind):
            runs.climb(run)

    mesh.subscribe(CLIMBER, [EventType.RUN_SETTLED], deliver, rule=PATIENCE)
