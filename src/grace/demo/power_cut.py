"""Scene 4: GRACE is killed with -9 while a step is under way, and started again on the same folder."""

from __future__ import annotations

import os
import signal
from typing import Final

from grace.demo.cast import Cast
from grace.demo.scene import Played, open_incident
from grace.demo.visitor import wait_for
from grace.kit.procfs import all_pids, argv_of, process_stat
from grace.model.events import EventType
from grace.model.settlement import SettlementKind

_PLAYBOOK: Final = "orders-prepare-report"
_SCRIPT: Final = "rank_archive.py"


def play(cast: Cast) -> list[Played]:
    """Play the scene: the reports are still too slow, so olga has one worked out beforehand."""
    report, ground = cast.report, cast.ground
    incident = open_incident(cast, "the report took longer")
    log, before = ground.shop / "work.log", ground.configuration.read_bytes()
    run = cast.olga.heal(incident.id, _PLAYBOOK)
    report.tell("asked", "olga asks for a report that is worked out beforehand")
    wait_for(cast.clock, lambda: log.exists() or None, "the command to begin its work", 15)
    before_cut = cast.follower().tell(run.id)
    changed = ground.configuration.read_bytes() != before
    os.kill(cast.grace.pid, signal.SIGKILL)
    cast.grace.process.wait()
    report.tell("cut", f"GRACE (pid {cast.grace.pid}) is killed with -9, one write done, the command at work")
    was_open = before_cut.settlement is None and changed
    report.claim("the cut came in the middle of the execution", true=was_open, shown=f"{before_cut.entries[-1].type}")
    cast.start_grace()
    report.tell("again", "GRACE is started on the same folder")
    follower = cast.follower()
    tale = follower.follow(run.id)
    cast.clock.sleep(0.2)
    tale = cast.olga.tale(run.id)
    settled = len(tale.of(EventType.RUN_SETTLED))
    report.claim("exactly one settlement", true=settled == 1, shown=f"{settled}")
    lines = log.read_text(encoding="ascii").split()
    report.claim("no double effect: the work was begun once", true=lines.count("began") == 1, shown=" ".join(lines))
    orphans = [pid for pid in all_pids() if _works(pid, str(ground.shop))]
    report.claim("no orphan: nobody works on it any more", true=not orphans, shown=f"{orphans or 'none'}")
    rolled_back = tale.settlement is not None and tale.settlement.kind is SettlementKind.ROLLED_BACK
    report.claim("what can never be known is not repeated but undone: rolled back", true=rolled_back)
    same = ground.configuration.read_bytes() == before
    report.claim("orders.yaml is as it was, byte for byte", true=same)
    return [Played(incident, tale)]


def _works(pid: int, folder: str) -> bool:
    argv, stat = argv_of(pid), process_stat(pid)
    return any(_SCRIPT in part for part in argv) and folder in argv and stat is not None and stat.is_alive
