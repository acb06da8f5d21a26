"""`grace store`: upkeep of the record in a data folder while no server runs on it."""

from __future__ import annotations

from pathlib import Path

import typer
from grace_sdk.client import Json

from grace.cli.addresses import announced
from grace.cli.calls import CommandFailed
from grace.cli.exits import Exit
from grace.cli.screen import Screen, marked
from grace.cli.starting import starting_told
from grace.cli.visiting import Data, command_file, offline
from grace.cli.wording import counted
from grace.settings import Settings, load_settings
from grace.wiring.upkeep import Audit, Checked, check_store, rebuild_store, upgrade_store

app = command_file()
store = command_file()
app.add_typer(store, name="store", help="Maintain the record of a data folder.")


@store.command()
@offline
def upgrade(screen: Screen, *, data: Data = None) -> None:
    """Bring the schema up to this version; copy the database file first."""
    settings = _own(data)
    with starting_told():
        revision = upgrade_store(settings)
    _tell(screen, settings, {"revision": revision}, "the schema fits this version")


@store.command()
@offline
def rebuild(screen: Screen, *, data: Data = None) -> None:
    """Make every read model again from the ledger's entries."""
    settings = _own(data)
    with starting_told():
        replayed = rebuild_store(settings)
    _tell(screen, settings, {"replayed": replayed}, f"read models made again from {replayed} entries")


@store.command("check")
@offline
def check(screen: Screen, *, data: Data = None) -> None:
    """Hold every entry against the signed tree, then replay them and tell each row of the read models that differs.

    Exit 7 if an entry or payload was changed, 1 if a row differs.
    """
    settings = _own(data)
    if not (settings.data_folder / "grace.db").is_file():
        raise CommandFailed(Exit.USAGE, f"there is no record in {settings.data_folder}", "grace serve")
    with starting_told():
        found = check_store(settings)
    if screen.as_json:
        rows: list[Json] = [
            {"table": one.table, "key": [*one.key], "columns": [*one.columns], "why": one.why} for one in found.rows
        ]
        told = {"data_folder": str(settings.data_folder), "log": _log(found.log), "replayed": found.replayed}
        screen.data({**told, "different": rows})
    elif found.log.is_clean:
        _show(screen, settings, found)
    else:
        _show_astray(screen, settings, found.log)
    if not found.log.is_clean:
        raise typer.Exit(Exit.LEDGER_INVALID)
    raise typer.Exit(Exit.FAULT if found.rows else Exit.DONE)


def _log(log: Audit) -> dict[str, Json]:
    astray: list[Json] = [{"index": one.index, "why": one.why} for one in log.astray]
    return {"entries": log.size, "witnessed": log.witnessed, "found": log.found, "astray": astray}


def _show_astray(screen: Screen, settings: Settings, log: Audit) -> None:
    screen.bullets(one.why for one in log.astray)
    if log.found > len(log.astray):
        screen.line(f"and {log.found - len(log.astray)} more")
    screen.line(marked("invalid", f"{settings.data_folder}: the ledger is not as it was signed"))
    screen.line("Copy the data folder and the witness file as evidence; the read models were not compared.")
    screen.line("next: read docs/ledger.md, `A log that is not trusted`")


def _show(screen: Screen, settings: Settings, found: Checked) -> None:
    screen.bullets(f"{one.table} {' '.join(one.key)}: {one.why}" for one in found.rows)
    if found.rows:
        told = counted(len(found.rows), "row")
        screen.line(f"{settings.data_folder}: {told} of the read models not as {found.replayed} entries make them")
        screen.line("next: copy the database as evidence, then grace store rebuild")
        return
    held = f", and to its witnessed checkpoint of {found.log.witnessed}" if found.log.witnessed is not None else ""
    screen.line(f"{settings.data_folder}: {counted(found.log.size, 'entry', 'entries')} lead to the signed tree{held}")
    screen.line(f"{settings.data_folder}: every row of the read models is as {found.replayed} entries make it")
    screen.line("next: grace serve")


def _own(data: Path | None) -> Settings:
    """Return the settings of a data folder on which no server runs."""
    settings = load_settings(data_folder=data)
    if not settings.data_folder.is_dir():
        raise CommandFailed(
            Exit.USAGE, f"there is no data folder {settings.data_folder}", "grace serve, or name it with --data"
        )
    if (other := announced(settings.data_folder)) is not None:
        raise CommandFailed(
            Exit.REFUSED, f"a server (pid {other.pid}) has {settings.data_folder} open", f"stop it: kill {other.pid}"
        )
    return settings


def _tell(screen: Screen, settings: Settings, facts: dict[str, str | int], sentence: str) -> None:
    if screen.as_json:
        screen.data({"data_folder": str(settings.data_folder), **facts})
        return
    screen.line(f"{settings.data_folder}: {sentence}")
    screen.line("next: grace serve")
