"""Scene 4: GRACE is killed with -9 while a step is under way, and started again on the same folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

from grace.demo.cast import Cast
from grace.demo.scene import Played, open_incident
from grace.demo.tale import Tale
from grace.demo.telling import Follower
from grace.kit.procfs import all_pids, argv_of, process_stat
from grace.model.events import EventType
from grace.model.settlement import SettlementKind

_PLAYBOOK: Final = "orders-prepare-report"
_SCRIPT: Final = "rank_archive.py"
_AFTERWARDS_S: Final = 0.2
"""How long a second settlement would have time to come."""


def play(cast: Cast) -> list[Played]:
    """Play the scene: the reports are still too slow, so olga has one worked out beforehand."""
    report, ground = cast.report, cast.ground
    incident = open_incident(cast, "the report took longer")
    log, before = ground.shop / "work.log", ground.configuration.read_bytes()
    run = cast.olga.heal(incident.id, _PLAYBOOK)
    report.tell("asked", "olga asks for a report that is worked out beforehand")
    follower = cast.follower()
    before_cut = cast.olga.wait_for(lambda: _at_work(follower, run.id, log), "the command to begin its work", 15)
    os.kill(cast.grace.pid, signal.SIGKILL)
    cast.grace.process.wait()
    report.tell("cut", f"GRACE (pid {cast.grace.pid}) is killed with -9: one write done, the command at work")
    is_amid = before_cut.settlement is None and ground.configuration.read_bytes() != before
    report.claim("the cut came in the middle of the execution", true=is_amid, shown=f"{before_cut.entries[-1].type}")
    cast.start_grace()
    report.tell("again", "GRACE is started on the same folder")
    follower.follow(run.id)
    cast.clock.sleep(_AFTERWARDS_S)
    tale = cast.olga.tale(run.id)
    settled = len(tale.of(EventType.RUN_SETTLED))
    report.claim("exactly one settlement", true=settled == 1, shown=f"{settled}")
    lines = log.read_text(encoding="ascii").split()
    report.claim(
        "no double effect: the work was begun once",
        true=lines.count("began") == 1,
        shown=f"{lines.count('began')} time begun, {lines.count('done')} times done",
    )
    orphans = [pid for pid in all_pids() if _works(pid, str(ground.shop))]
    report.claim("no orphan: nobody works on it any more", true=not orphans, shown=f"{len(orphans)} left")
    rolled_back = tale.settlement is not None and tale.settlement.kind is SettlementKind.ROLLED_BACK
    report.claim("what cannot be known is not repeated but undone: rolled back", true=rolled_back)
    same = ground.configuration.read_bytes() == before
    report.claim("orders.yaml is as it was, byte for byte", true=same)
    return [Played(incident, tale)]


def _at_work(follower: Follower, run_id: str, log: Path) -> Tale | None:
    """Tell what happens until the command has begun its work; return the tale up to there."""
    tale = follower.tell(run_id)
    return tale if log.exists() else None


def _works(pid: int, folder: str) -> bool:
    argv, stat = argv_of(pid), process_stat(pid)
    return any(_SCRIPT in part for part in argv) and folder in argv and stat is not None and stat.is_alive
