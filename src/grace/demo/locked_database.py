"""Scene 1: another process takes the write lock and hangs; GRACE finds it and ends it, alone, within its bounds."""

from __future__ import annotations

from grace.demo.cast import Cast
from grace.demo.scene import Played, incident_of, run_of
from grace.kit.procfs import is_alive, process_stat
from grace.model.decision import Ruling
from grace.model.settlement import SettlementKind

_PLAYBOOK = "sqlite-release-stuck-writer"


def play(cast: Cast) -> list[Played]:
    """Play the scene."""
    report = cast.report
    before = cast.flow()
    holder = cast.start_script("hold_lock", str(cast.ground.database))
    broke_at = cast.clock.now()
    report.tell("broken", f"process {holder.pid} (hold_lock.py) takes the write lock of orders.db and hangs")
    incident = incident_of(cast, "database is locked", since=broke_at)
    tale = cast.follower().follow(run_of(cast, incident.id).id)
    after = cast.flow_during(1)
    found = tale.plan.finds[0].result if tale.plan else None
    seen = found.get("pid") if isinstance(found, dict) else None
    report.claim(
        "the service failed for real", true=cast.flow().since(before).failed > 0, shown=f"{cast.flow().since(before)}"
    )
    report.claim(
        "the holder was found through the operating system, not told",
        true=seen == holder.pid,
        shown=f"{found.get('pid') if isinstance(found, dict) else found} = {holder.pid}",
    )
    decision = tale.decision
    report.claim(
        "GRACE acted alone because a rule names action, service and bounds",
        true=decision is not None and decision.ruling is Ruling.ACT_ALONE and decision.rule == "demo-end-stuck-writer",
        shown=decision.rule if decision else "no decision",
    )
    stat = process_stat(holder.pid)
    report.claim(
        "that process is gone, by pid and start time",
        true=not is_alive(holder.pid, holder.started_at),
        shown=stat.state if stat else "gone",
    )
    settled = tale.settlement
    report.claim("the contract held: committed", true=settled is not None and settled.kind is SettlementKind.COMMITTED)
    report.claim("orders flow again", true=after.acknowledged > 0 and after.failed == 0, shown=f"{after}")
    return [Played(incident, tale, broke_at)]
