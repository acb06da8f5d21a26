"""`grace watch`: events as they happen, over the websocket; a lost connection is taken up again where it broke off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Concatenate, Final, Literal

import typer
from grace_sdk.client import ServerUnreachable
from pydantic import JsonValue, TypeAdapter, ValidationError
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from grace.cli.addresses import find_address
from grace.cli.calls import CommandFailed, JsonObject, Session, View
from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.cli.visiting import JSON_OPTION, Server, Token, command_file, failures_told, open_session, with_options
from grace.kit.clock import Clock, SystemClock

app = command_file()

_PATH: Final = "/api/events/live"
_UNKNOWN_TYPE: Final = "unknown event type"
_REFUSED: Final = 1008
_LONGEST_SILENCE: Final = 3
"""After so many heartbeats that did not come, the connection counts as lost."""
_ANSWER_S: Final = 10.0
_CLOSE_S: Final = 1.0
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_LARGEST_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_TELLING: Final = ("title", "sentence", "why", "reason", "cause", "finding", "uses", "name", "subscriber")
"""What of a payload says in a word what happened; the first that is there is shown."""


class EventView(View):
    """One event."""

    index: int
    type: str
    at: str
    actor: str
    run_id: str | None
    incident_id: str | None
    service: str | None
    payload: dict[str, JsonValue] | None


class Subscribed(View):
    """The answer to a subscription."""

    type: Literal["subscribed"]
    after: int
    heartbeat_s: float


class Happened(View):
    """An event, as a message."""

    type: Literal["event"]
    event: dict[str, JsonValue]


class Heartbeat(View):
    """Nothing for us up to this index."""

    type: Literal["heartbeat"]
    index: int


_MESSAGE: Final[TypeAdapter[Subscribed | Happened | Heartbeat]] = TypeAdapter(Subscribed | Happened | Heartbeat)


@dataclass(slots=True)
class Watch:
    """One watch over as many connections as it takes; `position` is the last index that was seen."""

    url: str
    token: str
    asked: JsonObject
    position: int | None
    screen: Screen
    clock: Clock

    def events(self) -> Iterator[dict[str, JsonValue]]:
        """Yield events for ever; raise CommandFailed where one refuses, ServerUnreachable where there is none."""
        failures = 0
        was_there = False
        while True:
            why = "the connection ended"
            try:
                for event in self._connection():
                    was_there, failures = True, 0
                    if event is not None:
                        yield event
            except ConnectionClosed as closed:
                self._require_another_try(closed)
                why = closed.rcvd.reason if closed.rcvd and closed.rcvd.reason else "the connection broke"
            except (OSError, InvalidHandshake, InvalidURI) as error:
                if not was_there:
                    raise ServerUnreachable(self.url, str(error) or type(error).__name__) from error
                why = str(error) or type(error).__name__
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
            failures += 1
            self.screen.aside(f"{why}; trying again in {pause_s:g} s")
            self.clock.sleep(pause_s)

    def _connection(self) -> Iterator[dict[str, JsonValue] | None]:
        """Yield None once subscribed, then events, until the connection ends."""
        with connect(
            self.url,
            additional_headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
            proxy=None,
            compression=None,
            close_timeout=_CLOSE_S,
            max_size=_LARGEST_MESSAGE_BYTES,
        ) as connection:
            after: JsonObject = {} if self.position is None else {"after": self.position}
            connection.send(json.dumps({"type": "subscribe", **self.asked, **after}))
            patience_s = _ANSWER_S
            while True:
                match _understood(connection, patience_s):
                    case Subscribed(after=position, heartbeat_s=heartbeat_s):
                        self.position, patience_s = position, _LONGEST_SILENCE * heartbeat_s
                        yield None
                    case Happened(event=event):
                        self.position = EventView.model_validate(event).index
                        yield event
                    case Heartbeat(index=index):
                        self.position = index

    def _require_another_try(self, closed: ConnectionClosed) -> None:
        """Raise CommandFailed where trying again would only be refused again."""
        if closed.rcvd is not None and closed.rcvd.code == _REFUSED:
            reason = closed.rcvd.reason
            if reason.startswith(_UNKNOWN_TYPE):
                raise CommandFailed(
                    Exit.USAGE, reason, "grace watch 'run.*'; GET /api/meta/event-types lists all types"
                )
            raise CommandFailed(Exit.REFUSED, reason, "grace token create NAME --role viewer --keep")


@dataclass(frozen=True, slots=True)
class Lookout:
    """What the command works with."""

    session: Session
    url: str
    token: str


def _on_the_lookout(command: Callable[Concatenate[Lookout, ...], None]) -> Callable[..., None]:
    """Make a command that talks to the server and may also open a websocket to it."""

    def run(*, as_json: bool, server: str, token: str, **given: object) -> None:
        screen = Screen(as_json=as_json)
        with failures_told(screen), open_session(screen, server, token) as session:
            address = find_address(server, token)
            url = f"ws{session.client.address.removeprefix('http')}{_PATH}"
            command(Lookout(session, url, address.token), **given)

    return with_options(run, command, {"server": (Server, ""), "token": (Token, ""), **JSON_OPTION})


@app.command("watch")
@_on_the_lookout
def watch(
    lookout: Lookout,
    patterns: Annotated[
        list[str] | None, typer.Argument(metavar="PATTERN...", help="Such as run.settled, run.* or *.opened; else all.")
    ] = None,
    *,
    after: Annotated[
        int | None, typer.Option(min=-1, metavar="INDEX", help="Begin behind this entry; -1: with the first.")
    ] = None,
    run: Annotated[str, typer.Option(metavar="ID", help="Only of this run.")] = "",
    incident: Annotated[str, typer.Option(metavar="ID", help="Only of this incident.")] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many events; 0: never.")] = 0,
) -> None:
    """Show events as they happen, until it is stopped."""
    session = lookout.session
    asked: JsonObject = {"patterns": [*patterns] if patterns else ["*"]}
    if run:
        asked["run_id"] = session.resolve("/api/runs", run, "run")
    if incident:
        asked["incident_id"] = session.resolve("/api/incidents", incident, "incident")
    watching = Watch(lookout.url, lookout.token, asked, after, session.screen, SystemClock())
    try:
        for number, event in enumerate(watching.events(), 1):
            _show(session, event)
            if number == count:
                return
    except KeyboardInterrupt:
        session.screen.aside(f"resume with --after {watching.position}")


def _show(session: Session, document: dict[str, JsonValue]) -> None:
    if session.screen.as_json:
        session.screen.record(document)
        return
    event = session.read(EventView, document)
    subject = event.run_id or event.incident_id or event.service or "-"
    session.screen.line(f"{event.index:>7}  {event.at[:19]}Z  {event.type:<22}  {subject}  {_word(event)}")


def _word(event: EventView) -> str:
    if event.payload is None:
        return "(erased)"
    return next((str(event.payload[name]) for name in _TELLING if event.payload.get(name)), f"by {event.actor}")


def _understood(connection: ClientConnection, patience_s: float) -> Subscribed | Happened | Heartbeat:
    message = connection.recv(patience_s)
    try:
        return _MESSAGE.validate_json(message)
    except ValidationError as error:
        sentence = "the server says what this version does not understand"
        raise CommandFailed(Exit.FAULT, sentence, "compare `grace --version` here and on the server") from error
