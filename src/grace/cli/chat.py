"""`grace chat`: sentences instead of commands, one at a time or as a conversation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Final

import typer

from grace.cli.calls import Session, View
from grace.cli.exits import Exit
from grace.cli.visiting import command_file, online

app = command_file()

_LONGEST_ANSWER_S: Final = 330.0
"""A plan may watch something for minutes before it is made."""
_PROMPT: Final = "> "
_GOODBYES: Final = frozenset({"exit", "quit", "bye"})


class RefusedView(View):
    """What was asked for and not done."""

    why: str


class MetadataView(View):
    """What this version reads of the data beside an answer."""

    refused: RefusedView | None = None


class ReplyView(View):
    """One answer."""

    response: str
    metadata: MetadataView


@app.command("chat")
@partial(online, timeout_s=_LONGEST_ANSWER_S)
def chat(
    session: Session,
    message: Annotated[list[str] | None, typer.Argument(metavar="MESSAGE", help="Else a conversation.")] = None,
    *,
    about: Annotated[str, typer.Option("--about", metavar="ID", help="The run or incident that `this` means.")] = "",
) -> None:
    """Ask what is wrong, why, what waits, or how to mend something; halt, plan and heal within your role."""
    if message:
        raise typer.Exit(_say(session, " ".join(message), about))
    for line in _typed(is_person=sys.stdin.isatty()):
        _say(session, line, about)


def _say(session: Session, message: str, about: str) -> Exit:
    document = session.post("/api/chat/", {"message": message, **({"about": about} if about else {})})
    reply = session.read(ReplyView, document)
    if session.screen.as_json:
        session.screen.record(document)
    else:
        session.screen.bullets(reply.response.splitlines(), indent=0)
    return Exit.REFUSED if reply.metadata.refused else Exit.DONE


def _typed(*, is_person: bool) -> Iterator[str]:
    """Yield what is typed until the end of the input or a goodbye."""
    while True:
        if is_person:
            typer.echo(_PROMPT, nl=False)
        line = sys.stdin.readline()
        if not line or line.strip().lower() in _GOODBYES:
            return
        if line.strip():
            yield line.strip()
