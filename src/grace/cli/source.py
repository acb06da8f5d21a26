"""`grace source test`: waits for the first real signal from now on, and shows all that GRACE knows of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import typer
from grace_sdk.client import Json
from pydantic import Field, JsonValue

from grace.cli.calls import CommandFailed, JsonObject, Session, View
from grace.cli.exits import Exit
from grace.cli.screen import marked
from grace.cli.views import IncidentView, RunDetail, RunView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, counted, now
from grace.kit.clock import Clock, SystemClock, to_rfc3339
from grace.kit.secrets import CUT, MARK
from grace.model.quantities import duration_s

app = command_file()
source = command_file()
app.add_typer(source, name="source", help="Wait for the first signal of a service, and show it.")

_BEAT_S: Final = 0.3
_LONGEST_THOUGHT_S: Final = 10.0
"""How long a diagnosis is waited for once the signal is there."""
_ANY: Final = "my-service"
_PAGE: Final = 100
_HEADERS: Final = '-H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
_HELLO: Final = "hello from grace source test"


class SignalDocument(View):
    """A signal as it was kept."""

    source: str = ""
    message: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    session: str = ""
    sequence: int | None = None


class ArrivedView(View):
    """A signal that arrived."""

    id: str
    position: int
    service: str
    environment: str
    at: datetime
    received_at: datetime
    kind: str
    severity: str
    title: str
    fingerprint: str
    incident_id: str | None = None
    doc: dict[str, JsonValue]

    @property
    def told(self) -> SignalDocument:
        return SignalDocument.model_validate(self.doc)


class RefusedView(View):
    """A message that was not taken in."""

    index: int
    at: datetime
    status: int
    sender: str
    why: str
    next: str


class DeclaredView(View):
    """A declared service."""

    name: str
    environment: str
    owner: str
    mode: str
    match: dict[str, str] = Field(default_factory=dict)


class DiagnosisView(View):
    """What a run found."""

    cause: str
    confidence: float


class ThoughtView(RunDetail):
    """A run with its diagnosis."""

    diagnosis: DiagnosisView | None = None


class IncidentDetail(IncidentView):
    """An incident with its runs, newest first."""

    runs: tuple[RunView, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for, from which place on, and how long."""

    session: Session
    clock: Clock
    position: int
    refused: int
    door: str
    service: str
    until: float

    def signal(self) -> ArrivedView | None:
        """Return the first signal that is meant; None when the time is over."""
        position = self.position
        while True:
            page = self.session.get("/api/intake/signals", {"after": position, "limit": _PAGE})
            for one in (self.session.read(ArrivedView, item) for item in self.session.listed(page)):
                if self._is_meant(one):
                    return one
                position = one.position
            if self.clock.monotonic() >= self.until:
                return None
            self.clock.sleep(min(_BEAT_S, max(0.0, self.until - self.clock.monotonic())))

    def refusals(self) -> list[RefusedView]:
        """Return what the door refused meanwhile."""
        items = self.session.items("/api/intake/refusals", {"after": self.refused})
        return [self.session.read(RefusedView, item) for item in items]

    def thought(self, incident: IncidentDetail) -> ThoughtView | None:
        """Return what the newest run of an incident came to; wait a little for the diagnosis."""
        until = self.clock.monotonic() + _LONGEST_THOUGHT_S
        while True:
            run = self._newest_run(incident.id)
            if (run and (run.diagnosis or run.settlement)) or self.clock.monotonic() >= until:
                return run
            self.clock.sleep(_BEAT_S)

    def _newest_run(self, incident_id: str) -> ThoughtView | None:
        incident = self.session.read(IncidentDetail, self.session.get(f"/api/incidents/{incident_id}"))
        if not incident.runs:
            return None
        return self.session.read(ThoughtView, self.session.get(f"/api/runs/{incident.runs[0].id}"))

    def _is_meant(self, one: ArrivedView) -> bool:
        return self.service in {"", one.service} and self.door in {"", one.told.source}


@source.command("test")
@online
def wait_for_one(
    session: Session,
    *,
    door: Annotated[str, typer.Option("--source", metavar="NAME", help="Only through this door, such as native.")] = "",
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="Only of this service.")] = "",
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait, such as 2m.")] = "2m",
) -> None:
    """Wait for the first signal that arrives from now on, and show what GRACE makes of it. Exit 4 when none came."""
    _say_if_undeclared(session, service)
    clock = SystemClock()
    until = clock.monotonic() + _seconds(timeout)
    position = session.read(_Position, session.get("/api/intake/signals", {"limit": 1})).position
    refused = session.read(_Count, session.get("/api/intake/refusals")).count
    wait = Wait(session, clock, position, refused, door, service, until)
    session.screen.aside(f"waiting {timeout} for a signal of {service or 'any service'} at {session.client.address}")
    found = wait.signal()
    if found is None:
        _tell_nothing_came(wait, timeout)
        raise typer.Exit(Exit.WAITING)
    _tell(wait, found)


def _say_if_undeclared(session: Session, service: str) -> None:
    """Say at once what is most likely a misspelling; signals of an undeclared service are kept all the same."""
    declared = sorted({session.read(DeclaredView, one).name for one in session.items("/api/services")})
    if service and service not in declared:
        there_are = f"there are: {', '.join(declared)}" if declared else "none is"
        session.screen.aside(f"{service} is not declared in grace.yaml ({there_are}): nothing would be planned for it")


class _Position(View):
    position: int


class _Count(View):
    count: int


def _seconds(written: str) -> float:
    try:
        return duration_s(written)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"--timeout: {error}", "grace source test --timeout 2m") from error


def _tell(wait: Wait, signal: ArrivedView) -> None:
    session = wait.session
    incident = None
    if signal.incident_id is not None:
        incident = session.read(IncidentDetail, session.get(f"/api/incidents/{signal.incident_id}"))
    thought = wait.thought(incident) if incident else None
    declared = _declared(session, signal)
    redacted = list(redacted_places(signal.doc))
    if session.screen.as_json:
        session.screen.data(_document(signal, incident, thought, declared, redacted))
        return
    told, screen = signal.told, session.screen
    screen.line(marked("taken", signal.title))
    screen.facts(
        [
            ("door", told.source or "unknown"),
            ("sender", _sender(told)),
            ("arrived", f"{ago(signal.received_at, now())}, {_delay(signal)}"),
            ("kind", f"{signal.kind}, {signal.severity}"),
            ("service", _service(signal, declared)),
            ("fingerprint", signal.fingerprint),
            ("redacted", ", ".join(redacted) or "nothing"),
            ("incident", _incident(incident)),
            ("GRACE", _made_of_it(incident, thought)),
        ]
    )
    screen.line(f"next: {_next_step(signal, declared, incident)}")


def _declared(session: Session, signal: ArrivedView) -> DeclaredView | None:
    services = [session.read(DeclaredView, item) for item in session.items("/api/services")]
    wanted = (signal.service, signal.environment)
    return next((one for one in services if (one.name, one.environment) == wanted), None)


def _sender(told: SignalDocument) -> str:
    if not told.session:
        return "says no session: not the SDK"
    return told.session if told.sequence is None else f"{told.session}, its signal {told.sequence}"


def _delay(signal: ArrivedView) -> str:
    delay_s = (signal.received_at - signal.at).total_seconds()
    if delay_s < 0:
        return f"{-delay_s:.1f} s before it happened: one of the two clocks is wrong"
    return f"{delay_s:.1f} s after it happened"


def _service(signal: ArrivedView, declared: DeclaredView | None) -> str:
    where = f"{signal.service} in {signal.environment}"
    if declared is None:
        return f"{where}: not declared, so GRACE plans nothing for it"
    missing = [name for name, value in declared.match.items() if signal.told.labels.get(name) != value]
    found = f"{where}: declared, mode {declared.mode}, owner {declared.owner}"
    return f"{found}; its labels lack {', '.join(missing)}" if missing else found


def _incident(incident: IncidentDetail | None) -> str:
    if incident is None:
        return "none: a step of an operation is no fault"
    since = f"known since {ago(incident.first_seen, now())}" if incident.count > 1 else "opened by this signal"
    return f"{incident.id}, {incident.state}, {counted(incident.count, 'signal')}, {since}"


def _made_of_it(incident: IncidentDetail | None, thought: ThoughtView | None) -> str:
    if incident is None:
        return "nothing to heal"
    if thought is None:
        return f"no run began; {f'the cause was {incident.cause}' if incident.cause else 'grace explain says why'}"
    found = thought.diagnosis
    cause = f"cause {found.cause}, confidence {found.confidence:.0%}" if found else "no diagnosis yet"
    ended = f"; {thought.state}: {thought.sentence}" if thought.sentence else f"; {thought.state}"
    return f"{cause}{ended} ({thought.id})"


def _next_step(signal: ArrivedView, declared: DeclaredView | None, incident: IncidentDetail | None) -> str:
    if declared is None:
        return f"declare {signal.service} in {signal.environment} in grace.yaml (docs/services.md)"
    return f"grace explain {incident.id}" if incident else "grace incidents"


def redacted_places(value: JsonValue, place: str = "") -> Iterator[str]:
    """Yield where something was taken out or cut off, as dotted names."""
    match value:
        case str() if MARK in value or CUT in value:
            yield place
        case dict():
            for name, part in value.items():
                yield from redacted_places(part, f"{place}.{name}" if place else name)
        case list():
            for number, part in enumerate(value):
                yield from redacted_places(part, f"{place}.{number}")
        case _:
            return


def _document(
    signal: ArrivedView,
    incident: IncidentDetail | None,
    thought: ThoughtView | None,
    declared: DeclaredView | None,
    redacted: list[str],
) -> JsonObject:
    return {
        "arrived": True,
        "signal": signal.model_dump(mode="json"),
        "redacted": list[Json](redacted),
        "service": declared and declared.model_dump(mode="json"),
        "incident": incident and incident.model_dump(mode="json"),
        "run": thought and thought.model_dump(mode="json"),
    }


def _tell_nothing_came(wait: Wait, timeout: str) -> None:
    refused, screen = wait.refusals(), wait.session.screen
    ways = ready_commands(wait.session.client.address, wait.service or _ANY)
    if screen.as_json:
        screen.data(
            {
                "arrived": False,
                "refused": [one.model_dump(mode="json") for one in refused],
                "try": list[Json](ways),
            }
        )
        return
    screen.line(marked("not taken", f"no signal came within {timeout}"))
    if refused:
        screen.heading(f"The door refused {counted(len(refused), 'message')} meanwhile")
        reasons = dict.fromkeys((one.status, one.sender, one.why, one.next) for one in refused)
        for status, sender, why, remedy in reasons:
            screen.line(f"  {status} {f'to {sender}: ' if sender else ''}{why}")
            screen.line(f"      next: {remedy}")
    else:
        screen.line("The door refused nothing meanwhile: nobody knocked.")
    screen.heading("Send one yourself")
    screen.bullets(ways)
    screen.line(f"next: {ways[0]}")


def ready_commands(address: str, service: str) -> tuple[str, ...]:
    """Return commands that make a token for a sender and send one signal with it, by the SDK and by hand."""
    program = f"import grace_sdk; grace_sdk.init(); grace_sdk.capture(message={_HELLO!r}, severity='error')"
    body = {"format": 1, "id": f"hello-{int(now().timestamp())}", "service": service, "at": to_rfc3339(now())}
    body |= {"kind": "message", "title": _HELLO}
    return (
        f"export GRACE_DSN=$(grace token create {service} --role sender --dsn {service})",
        f"python3 -c {shlex.quote(program)}",
        f"TOKEN=$(grace token create {service} --role sender)",
        f"curl -sS {address}/api/intake/native {_HEADERS} -d {shlex.quote(json.dumps(body))}",
    )
