"""Scene 5: a command that exits 0 and does nothing is no cure, and a metric that falls silent is no good news."""

from __future__ import annotations

import signal
from typing import Final

from grace.demo.cast import Cast
from grace.demo.scene import Played, open_incident
from grace.model.events import EventType
from grace.model.execution import StepState
from grace.model.settlement import SettlementKind
from grace.model.verdict import Finding

_NOTHING: Final = "orders-hope"
_WAITING: Final = "orders-wait-longer"


def play(cast: Cast) -> list[Played]:
    """Play both."""
    return [_exit_zero(cast), _silence(cast)]


def _exit_zero(cast: Cast) -> Played:
    report = cast.report
    incident = open_incident(cast, "the report took longer")
    run = cast.olga.heal(incident.id, _NOTHING)
    report.tell("asked", "olga asks for a command that can only succeed: `true`")
    tale = cast.follower().follow(run.id)
    step = tale.execution.steps[0] if tale.execution and tale.execution.steps else None
    claims = step is not None and step.state is StepState.DONE and step.output.get("exit_code") == 0
    report.claim("the command says that it is done, exit code 0", true=claims)
    violated = tale.verdict is not None and tale.verdict.finding is Finding.VIOLATED
    report.claim("the report is as slow as ever: violated", true=violated)
    kind = tale.settlement.kind if tale.settlement else None
    report.claim("not committed", true=kind not in {None, SettlementKind.COMMITTED}, shown=f"{kind}")
    return Played(incident, tale)


def _silence(cast: Cast) -> Played:
    report = cast.report
    incident = open_incident(cast, "the report took longer")
    run = cast.olga.heal(incident.id, _WAITING)
    report.tell("asked", "olga asks for a longer wait in the queue")
    follower = cast.follower()
    cast.olga.wait_for(
        lambda: follower.tell(run.id).at(EventType.PRECONDITIONS_READ), "the last look before the deed", within_s=15
    )
    cast.load.send(signal.SIGSTOP)
    report.tell("silence", "every customer falls silent: no orders, so no share of failed ones")
    tale = follower.follow(run.id)
    cast.load.send(signal.SIGCONT)
    verdict = tale.verdict
    clause = (
        next((one for one in verdict.clauses if one.clause.name == "service.error_rate"), None) if verdict else None
    )
    report.claim(
        "silence proves nothing: inconclusive",
        true=verdict is not None and verdict.finding is Finding.INCONCLUSIVE,
        shown=f"{clause.missing} of {clause.samples} samples missing" if clause else "",
    )
    held = tale.settlement is not None and tale.settlement.kind is SettlementKind.HELD
    report.claim("held: a person keeps or undoes it", true=held)
    return Played(incident, tale)
