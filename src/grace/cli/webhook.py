"""`grace webhook`: who is told of events over HTTP, and whether it arrives."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from grace.cli.calls import Session, View
from grace.cli.exits import Exit
from grace.cli.screen import marked
from grace.cli.visiting import command_file, online

app = command_file()
webhook = command_file()
app.add_typer(webhook, name="webhook", help="List outgoing webhooks, and test one.")

_PATH: Final = "/api/mesh/webhooks"
_LONGEST_WAIT_S: Final = 90.0


class WebhookView(View):
    """A declared webhook."""

    name: str
    url: str
    events: tuple[str, ...]
    mode: str
    network: str
    payload: str


class TestedView(View):
    """How a test message went."""

    event_id: str
    taken: bool
    status: int | None
    why: str | None
    took_s: float


@webhook.command("list")
@online
def list_webhooks(session: Session) -> None:
    """List the webhooks that are declared."""
    document, screen = session.get(_PATH), session.screen
    if screen.as_json:
        screen.data(document)
        return
    found = [session.read(WebhookView, item) for item in session.listed(document)]
    screen.table(
        ("webhook", "events", "mode", "payload", "network", "address"),
        ((one.name, ", ".join(one.events), one.mode, one.payload, one.network, one.url) for one in found),
    )
    screen.line()
    screen.line(f"next: grace webhook test {found[0].name}" if found else "next: declare one, docs/events.md")


def _test(
    session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="As it stands in webhooks.yaml.")]
) -> None:
    """Send a test event to a webhook, once and now; done means that it was taken."""
    document, screen = session.post(f"{_PATH}/{name}/test"), session.screen
    tested = session.read(TestedView, document)
    if screen.as_json:
        screen.data(document)
    elif tested.taken:
        screen.line(marked("taken", f"HTTP {tested.status} in {tested.took_s:.2f} s, {tested.event_id}"))
    else:
        screen.line(marked("not taken", f"{tested.why}"))
        screen.line(f"next: mend it, then grace webhook test {name}")
    if not tested.taken:
        raise typer.Exit(Exit.FAULT)


webhook.command("test")(online(_test, timeout_s=_LONGEST_WAIT_S))
