"""`grace mesh`: who gets events, how far each is, and what to do about what could not be delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import typer
from grace_sdk.client import Json

from grace.cli.calls import CommandFailed, JsonObject, Session, View
from grace.cli.exits import Exit
from grace.cli.listing import Limit
from grace.cli.screen import marked
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, counted, now

app = command_file()
mesh = command_file()
app.add_typer(mesh, name="mesh", help="Show who gets events; requeue and discard dead letters.")

_SUBSCRIBERS: Final = "/api/meta/subscribers"
_LETTERS: Final = "/api/mesh/dead-letters"
_SHORTEST: Final = 200
_DONE: Final = {"requeue": "requeued", "discard": "discarded"}

Subscriber = Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="Its name, such as webhook:pager.")]
Indexes = Annotated[list[int] | None, typer.Argument(metavar="INDEX...", min=0, help="Which entries.")]
Everything = Annotated[bool, typer.Option("--all", help="All of this subscriber.")]
Why = Annotated[str, typer.Option(help="Why; it goes on the record.")]


class SubscriberView(View):
    """How far a subscriber is."""

    name: str
    state: str
    behind: int
    resting: int
    hanging: int
    dead_letters: int
    oldest_waiting_at: datetime | None
    last_error: str | None
    disabled_why: str | None


class LetterView(View):
    """An entry that could not be delivered."""

    subscriber: str
    index: int
    attempts: int
    error: str
    at: datetime
    requeued_at: datetime | None


class MovedView(View):
    """Which letters it was."""

    indexes: tuple[int, ...]


@mesh.command("status")
@online
def status(session: Session) -> None:
    """Show how far each subscriber is behind, and what it could not take."""
    document, screen = session.get(_SUBSCRIBERS), session.screen
    if screen.as_json:
        screen.data(document)
        return
    found = [session.read(SubscriberView, item) for item in session.listed(document)]
    screen.table(
        ("subscriber", "state", "behind", "waiting", "retrying", "hanging", "dead"),
        (
            (
                one.name,
                marked(one.state),
                str(one.behind),
                f"since {ago(one.oldest_waiting_at, now())}" if one.oldest_waiting_at else "-",
                str(one.resting),
                str(one.hanging),
                str(one.dead_letters),
            )
            for one in found
        ),
    )
    for one in found:
        if why := one.disabled_why or (one.last_error if one.behind or one.dead_letters else None):
            screen.line(f"{one.name}: {why[:_SHORTEST]}")
    screen.line()
    screen.line(f"next: {_next_step(found)}")


@mesh.command("letters")
@online
def letters(
    session: Session,
    subscriber: Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="Only of this one.")] = "",
    *,
    limit: Limit = 50,
) -> None:
    """List dead letters: entries that a subscriber refused as often as it was tried."""
    query = {"limit": limit} | ({"subscriber": subscriber} if subscriber else {})
    document, screen = session.get(_LETTERS, query), session.screen
    if screen.as_json:
        screen.data(document)
        return
    found = [session.read(LetterView, item) for item in session.listed(document)]
    screen.table(
        ("subscriber", "index", "attempts", "refused", "state", "why"),
        (
            (
                one.subscriber,
                str(one.index),
                str(one.attempts),
                ago(one.at, now()),
                "requeued" if one.requeued_at else "dead",
                one.error[:_SHORTEST],
            )
            for one in found
        ),
    )


@mesh.command("requeue")
@online
def requeue(
    session: Session,
    subscriber: Subscriber,
    indexes: Indexes = None,
    *,
    everything: Everything = False,
    reason: Why = "",
) -> None:
    """Offer dead letters to their subscriber again."""
    _move(session, "requeue", subscriber, _chosen(indexes, everything=everything), reason)


@mesh.command("discard")
@online
def discard(
    session: Session, subscriber: Subscriber, indexes: Indexes = None, *, everything: Everything = False, reason: Why
) -> None:
    """Give dead letters up for good; the entries themselves stay in the ledger."""
    _move(session, "discard", subscriber, _chosen(indexes, everything=everything), reason)


@mesh.command("replay")
@online
def replay(
    session: Session,
    subscriber: Subscriber,
    *,
    from_index: Annotated[
        int, typer.Option("--from", min=0, metavar="INDEX", help="The first entry to deliver again.")
    ],
    reason: Why = "",
) -> None:
    """Deliver again to one subscriber, from an entry on."""
    path = f"/api/mesh/subscribers/{subscriber}/replay"
    _tell(session, session.post(path, {"from_index": from_index, "reason": reason}))


@mesh.command("enable")
@online
def enable(session: Session, subscriber: Subscriber, *, reason: Why = "") -> None:
    """Deliver again to a subscriber that was gone, from where it stopped."""
    _tell(session, session.post(f"/api/mesh/subscribers/{subscriber}/enable", {"reason": reason}))


def _chosen(indexes: list[int] | None, *, everything: bool) -> list[Json] | None:
    if bool(indexes) == everything:
        raise CommandFailed(Exit.USAGE, "name indexes, or say --all", "grace mesh letters")
    return [*indexes] if indexes else None


def _move(session: Session, verb: str, subscriber: str, indexes: list[Json] | None, reason: str) -> None:
    body: JsonObject = {"subscriber": subscriber, "indexes": indexes, "reason": reason}
    document = session.post(f"{_LETTERS}/{verb}", body)
    if session.screen.as_json:
        session.screen.data(document)
        return
    moved = session.read(MovedView, document).indexes
    session.screen.line(f"{_DONE[verb]}: {counted(len(moved), 'dead letter')} of {subscriber}")
    session.screen.line("next: grace mesh status")


def _tell(session: Session, document: JsonObject) -> None:
    if session.screen.as_json:
        session.screen.data(document)
        return
    one = session.read(SubscriberView, document)
    session.screen.line(marked(one.state, f"{one.name} is {one.behind} behind"))
    session.screen.line("next: grace mesh status")


def _next_step(found: list[SubscriberView]) -> str:
    for one in found:
        if one.state == "disabled":
            return f"grace mesh enable {one.name}, when it is back"
        if one.dead_letters:
            return f"grace mesh letters {one.name}"
    return "grace watch"
