"""`grace status`: how far GRACE may go now, what is stopped, what is open and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.text import Text

from grace.cli.calls import Session, View
from grace.cli.listing import show_incidents, show_runs
from grace.cli.screen import Screen, marked
from grace.cli.views import ApprovalView, HaltView, IncidentView, RunView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, beginnings, counted, now

app = command_file()

_SHOWN = 10


class ServiceView(View):
    """One declared service."""

    name: str
    environment: str
    mode: str
    effective_mode: str = ""

    @property
    def works_in(self) -> str:
        """Return the mode that decides: a drill is `auto`, whatever is declared."""
        return self.effective_mode or self.mode


class SubscriberView(View):
    """Somebody who gets events."""

    name: str
    state: str
    behind: int
    dead_letters: int
    disabled_why: str | None = None

    @property
    def is_well(self) -> bool:
        return self.state == "delivering" and self.dead_letters == 0


class QuarantineView(View):
    """A target that stays closed until a person keeps or undoes a run."""

    target: str
    run_id: str
    since: datetime


class FallView(View):
    """A run that falls over by an accident of GRACE's own."""

    run_id: str
    why: str
    times: int


class AutonomyView(View):
    """What the server says of itself."""

    open_incidents: int
    handed_over: int = 0
    open_runs: int
    fallen_runs: tuple[FallView, ...] = ()
    pending_approvals: int
    waiting_runs: int = 0
    flapping_incidents: int = 0
    open_breakers: int = 0
    policies: int
    policy_digest: str
    policy_problems: tuple[str, ...] = ()
    halts: tuple[HaltView, ...] = ()
    quarantines: tuple[QuarantineView, ...] = ()
    ledger_size: int
    ledger_witnessed: int = 0
    ledger_witnessed_at: datetime | None = None
    ledger_trouble: str | None = None
    record_trouble: str | None = None
    server_troubles: tuple[str, ...] = ()
    record_troubled_at: datetime | None = None


@app.command("status")
@online
def status(session: Session) -> None:
    """Show mode and halt, what is open, what waits for a person, and how the ledger is."""
    document = session.get("/api/autonomy/status")
    services = session.get("/api/services")
    subscribers = session.get("/api/meta/subscribers")
    if session.screen.as_json:
        told = {"services": services["items"], "subscribers": subscribers["items"]}
        session.screen.data({"server": session.client.address, **document, **told})
        return
    autonomy = session.read(AutonomyView, document)
    _show_facts(session, autonomy, [session.read(ServiceView, item) for item in session.listed(services)])
    unwell = _unwell(session.read(SubscriberView, item) for item in session.listed(subscribers))
    _show_unwell(session.screen, unwell)
    _show_waiting(session, autonomy)
    session.screen.line()
    session.screen.line(f"next: {_next_step(autonomy, unwell)}")


def _show_facts(session: Session, autonomy: AutonomyView, services: Sequence[ServiceView]) -> None:
    modes = Counter(service.works_in for service in services)
    watched = ", ".join(f"{number} in {mode}" for mode, number in sorted(modes.items())) or "none declared"
    screen = session.screen
    screen.facts(
        [
            ("server", session.client.address),
            ("services", f"{counted(len(services), 'service')}: {watched}" if services else watched),
            ("policy", f"{counted(autonomy.policies, 'rule')}, {autonomy.policy_digest}"),
            *(("policy", marked("violated", problem)) for problem in autonomy.policy_problems),
            *(("server", marked("violated", trouble)) for trouble in autonomy.server_troubles),
            *((("record", marked("failed", _trouble(autonomy))),) if autonomy.record_trouble else ()),
            ("ledger", f"{autonomy.ledger_size} entries"),
            ("witness", _witness(autonomy)),
            ("open", f"{counted(autonomy.open_incidents, 'incident')}, {counted(autonomy.open_runs, 'run')}"),
            *(("fell over", marked("failed", _fall(fall))) for fall in autonomy.fallen_runs[:_SHOWN]),
            ("waiting", counted(autonomy.pending_approvals, "approval")),
            *([("handed over", counted(autonomy.handed_over, "incident"))] if autonomy.handed_over else []),
            *((("held back", _held_back(autonomy)),) if _held_back(autonomy) else ()),
        ]
    )
    for halt in autonomy.halts:
        where = "everywhere" if halt.scope == "*" else f"for {halt.scope}"
        screen.line(marked("halted", f"{where} by {halt.by}, {ago(halt.since, now())}: {halt.reason}"))


def _held_back(autonomy: AutonomyView) -> str:
    """Say how much holds GRACE back; nothing where nothing does."""
    told = (
        (autonomy.waiting_runs, counted(autonomy.waiting_runs, "run waits", "runs wait")),
        (autonomy.flapping_incidents, counted(autonomy.flapping_incidents, "flapping incident")),
        (autonomy.open_breakers, counted(autonomy.open_breakers, "breaker not closed", "breakers not closed")),
    )
    said = ", ".join(words for number, words in told if number)
    return f"{said}: grace restraint list" if said else ""


def _trouble(autonomy: AutonomyView) -> str:
    """Say why the newest write failed, and when it was tried: nobody may have tried since the disk has room again."""
    at = autonomy.record_troubled_at
    tried = "" if at is None else f" (the newest write, {ago(at, now())}; none was tried since)"
    return f"{autonomy.record_trouble}{tried}"


def _fall(fall: FallView) -> str:
    return f"{fall.run_id} {counted(fall.times, 'time')}: {fall.why}; tried again and again, the log says where"


def _unwell(subscribers: Iterable[SubscriberView]) -> list[SubscriberView]:
    return [one for one in subscribers if not one.is_well]


def _show_unwell(screen: Screen, unwell: Sequence[SubscriberView]) -> None:
    """Say who does not get every event: disabled, stuck, or with entries that they could not take."""
    if not unwell:
        return
    screen.heading("Do not get every event")
    for one in unwell:
        why = f": {one.disabled_why}" if one.disabled_why else ""
        letters = counted(one.dead_letters, "dead letter")
        screen.line(marked(one.state, f"{one.name}, {one.behind} behind, {letters}{why}"))


def _witness(autonomy: AutonomyView) -> Text:
    """Say how much of the ledger is covered by a checkpoint held outside, and how old that is."""
    at = autonomy.ledger_witnessed_at
    age = "before this start" if at is None else ago(at, now())
    held = f"checkpoint of {autonomy.ledger_witnessed} entries, taken {age}"
    if autonomy.ledger_trouble:
        return marked("violated", f"{held}; {autonomy.ledger_trouble}")
    behind = autonomy.ledger_size - autonomy.ledger_witnessed
    return Text(f"{held}; {counted(behind, 'newer entry', 'newer entries')} to come" if behind > 0 else held)


def _show_waiting(session: Session, autonomy: AutonomyView) -> None:
    screen = session.screen
    if autonomy.pending_approvals:
        waiting = session.items("/api/autonomy/approvals", {"state": "waiting", "limit": _SHOWN})
        screen.heading("Waits for a person")
        _show_approvals(screen, [session.read(ApprovalView, item) for item in waiting])
    if autonomy.quarantines:
        screen.heading("Quarantined until a person keeps or undoes the run")
        screen.table(
            ("target", "run", "since"),
            ((one.target, one.run_id, ago(one.since, now())) for one in autonomy.quarantines),
        )
    if autonomy.open_runs:
        screen.heading("Open runs")
        runs = session.items("/api/runs", {"open": True, "limit": _SHOWN})
        show_runs(screen, [session.read(RunView, item) for item in runs])
    if autonomy.open_incidents:
        screen.heading("Open incidents")
        incidents = session.items("/api/incidents", {"state": "open", "limit": _SHOWN})
        show_incidents(screen, [session.read(IncidentView, item) for item in incidents])


def _show_approvals(screen: Screen, approvals: Sequence[ApprovalView]) -> None:
    shorten = beginnings(one.id for one in approvals)
    screen.table(
        ("approval", "yes", "asked by", "ends"),
        (
            (
                shorten(one.id),
                f"{sum(answer.grants for answer in one.answers)} of {one.quorum}",
                one.requester,
                f"{ago(one.expires_at, now())}, then no",
            )
            for one in approvals
        ),
    )


def _next_step(autonomy: AutonomyView, unwell: Sequence[SubscriberView]) -> str:
    if autonomy.record_trouble or autonomy.server_troubles:
        return "grace doctor"
    if autonomy.pending_approvals:
        return "grace approve @last"
    if unsettled := (*autonomy.fallen_runs, *autonomy.quarantines):
        return f"grace explain {unsettled[0].run_id}"
    if autonomy.halts:
        scope = autonomy.halts[0].scope
        return f"grace halt --end{'' if scope == '*' else f' --service {scope}'}"
    if unwell:
        return "grace mesh status"
    return "grace explain @last" if autonomy.open_runs else "grace incidents"
