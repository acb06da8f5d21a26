"""Scene 1: another process takes the write lock and hangs; GRACE finds it and ends it, alone, within its bounds."""

from __future__ import annotations

import signal
from typing import Final

from grace.demo.cast import Cast
from grace.demo.children import Child
from grace.demo.scene import Played, incident_of, run_of
from grace.demo.tale import Tale
from grace.kit.procfs import is_alive
from grace.model.decision import Ruling
from grace.model.settlement import SettlementKind

_RULE: Final = "demo-end-stuck-writer"
_SAMPLE_S: Final = 1.0


def play(cast: Cast) -> list[Played]:
    """Play the scene."""
    report, before = cast.report, cast.flow()
    broke_at = cast.clock.now()
    holder = cast.start_script("hold_lock", str(cast.ground.database))
    report.tell("broken", f"process {holder.pid} (hold_lock.py) takes the write lock of orders.db and hangs")
    incident = incident_of(cast, "database is locked", since=broke_at)
    tale = cast.follower().follow(run_of(cast, incident.id).id)
    during, after = cast.flow().since(before), cast.flow_during(_SAMPLE_S)
    report.claim("the service failed for real", true=during.failed > 0, shown=f"{during}")
    _claim_one_run(cast, incident.id)
    _claim_found(cast, tale, holder)
    decision, settled = tale.decision, tale.settlement
    report.claim(
        "GRACE acted alone, by the rule that names this action and its bounds",
        true=decision is not None and decision.ruling is Ruling.ACT_ALONE and decision.rule == _RULE,
        shown=decision.rule if decision else "no decision",
    )
    report.claim("the contract held: committed", true=settled is not None and settled.kind is SettlementKind.COMMITTED)
    report.claim("orders flow again", true=after.acknowledged > 0 and after.failed == 0, shown=f"{after}")
    return [Played(incident, tale, broke_at)]


def _claim_one_run(cast: Cast, incident_id: str) -> None:
    counted = next(one.count for one in cast.olga.incidents() if one.id == incident_id)
    runs = len(cast.olga.runs(incident_id))
    cast.report.claim(
        "however many failed: one incident, one run", true=runs == 1, shown=f"{counted} signals, {runs} run"
    )


def _claim_found(cast: Cast, tale: Tale, holder: Child) -> None:
    found = tale.plan.finds[0].result if tale.plan else None
    name = (found.get("pid"), found.get("started_at")) if isinstance(found, dict) else None
    cast.report.claim(
        "the holder was found through the operating system, not told",
        true=name == (holder.pid, holder.started_at),
        shown=f"pid and start time {name}",
    )
    is_gone = not is_alive(holder.pid, holder.started_at)
    code = holder.process.poll()
    ended = f"ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    cast.report.claim(
        "that process is gone, and only that one was ended", true=is_gone and _others_live(cast), shown=ended
    )


def _others_live(cast: Cast) -> bool:
    return all(child.process.poll() is None for child in (cast.grace, cast.orders, cast.load))
