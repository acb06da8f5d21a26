"""The commands by name; a command's file is imported when the command is asked for, so that help comes at once."""

from __future__ import annotations

import difflib
import importlib
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Final, Protocol, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from grace.kit.collecting import nothing_collected

USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class Shelved:
    """A command that is not imported yet: the file it lives in and its line in the list."""

    file: str
    summary: str


COMMANDS: Final[Mapping[str, Shelved]] = {
    "demo": Shelved("demo", "Break a real service, heal it, and check every claim."),
    "init": Shelved("init", "Look at this machine, read-only, and propose a grace.yaml."),
    "serve": Shelved("serve", "Run the server on this machine."),
    "doctor": Shelved("doctor", "Look at every door, probe, permission and clock, and say what to fix."),
    "source": Shelved("source", "Wait for the first signal of a service, and show it."),
    "status": Shelved("status", "Show mode, halt, what is open and what waits."),
    "incidents": Shelved("incidents", "List incidents, or show one."),
    "runs": Shelved("runs", "List runs, or show one."),
    "explain": Shelved("runs", "Tell the whole story of a run or an incident."),
    "watch": Shelved("watch", "Show events as they happen."),
    "plan": Shelved("heal", "Show what a heal of an incident would do; change nothing."),
    "heal": Shelved("heal", "Heal an incident and follow the run to its end."),
    "do": Shelved("do", "Run one command by hand, with snapshot, proof, undo and record; keep it as a playbook."),
    "approve": Shelved("approve", "Say yes to exactly the plan that is shown."),
    "reject": Shelved("approve", "Say no to a plan."),
    "halt": Shelved("halt", "Stop new deeds, everywhere or for one service; --end allows them again."),
    "restraint": Shelved("restraint", "Show what holds GRACE back: what waits, flaps or failed too often; lift it."),
    "cancel": Shelved("cancel", "Stop one run at its next safe point."),
    "close": Shelved("incidents", "Close an incident by a person's word."),
    "undo": Shelved("undo", "Take back what a settled run wrote."),
    "keep": Shelved("undo", "Keep what a held run changed, and open its targets again."),
    "hindsight": Shelved("hindsight", "Say which incidents, causes and playbooks old logs hold; no server needed."),
    "report": Shelved("report", "List what GRACE would have done, and what was done instead."),
    "mark": Shelved("report", "Say in one word what you think of a run."),
    "chat": Shelved("chat", "Ask in sentences; halt, plan and heal within your role."),
    "drill": Shelved("drill", "Lock a scratch database for real, and watch it being healed."),
    "ledger": Shelved("ledger", "Verify, export and read the ledger."),
    "playbook": Shelved("playbook", "Lint, test and list playbooks; print their schema."),
    "mesh": Shelved("mesh", "Show who gets events; requeue and discard dead letters."),
    "webhook": Shelved("webhook", "List outgoing webhooks, and test one."),
    "knowledge": Shelved("knowledge", "List, search and test what is known about faults."),
    "token": Shelved("token", "Create, list and revoke access tokens."),
    "store": Shelved("store", "Maintain the record of a data folder."),
}


class Pages(Protocol):
    """What the list of commands is written to."""

    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class CommandUnknownError(typer.TyperException):
    """No command has the name that was typed."""

    exit_code = USAGE

    def __init__(self, name: str, known: Iterable[str]) -> None:
        close = difflib.get_close_matches(name, list(known), n=1)
        super().__init__(f"There is no command {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))


def command_named(name: str) -> TyperCommand | TyperGroup:
    """Import the file of a command and return the command; raise CommandUnknownError."""
    if name not in COMMANDS:
        raise CommandUnknownError(name, COMMANDS)
    with nothing_collected():
        file = get_group(importlib.import_module(f"grace.cli.{COMMANDS[name].file}").app)
    return cast("TyperCommand | TyperGroup", file.commands[name])


class Program(TyperGroup):
    """All commands; each is imported when it is called."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:
        return None if cmd_name.startswith("-") else command_named(cmd_name)

    def format_commands(self, ctx: object, formatter: Pages) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, shelved.summary) for name, shelved in COMMANDS.items()])


app = typer.Typer(
    cls=Program,
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Exit codes: 0 done and proven, 1 fault, 2 usage, 3 refused or expired, 4 waiting or held, "
    "5 rolled back or aborted, 6 not restored, 7 ledger invalid, 8 server unreachable.",
)


@app.callback()
def grace(
    ctx: typer.Context, *, show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """GRACE heals running software and can prove that it did no harm."""
    if show_version:
        typer.echo(f"grace {version('grace-heal')}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a usage error says what to try next."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our marks shows `?`, and the command goes on
    try:
        code: object = get_group(app).main(list(arguments), prog_name="grace", standalone_mode=False)
    except typer.TyperException as error:
        context = cast("typer.Context | None", getattr(error, "ctx", None))
        typer.echo(error.format_message(), err=True)
        typer.echo(f"next: {context.command_path if context else 'grace'} --help", err=True)
        return error.exit_code
    except typer.Abort:
        return USAGE
    return code if isinstance(code, int) else 0
