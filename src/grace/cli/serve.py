"""`grace serve`: the server on this machine; it announces its address in its data folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from grace import wiring
from grace.cli.addresses import announce, keep_token, kept_token, retract
from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.cli.starting import starting_told
from grace.cli.visiting import command_file, offline
from grace.settings import load_settings

app = command_file()


@app.command("serve")
@offline
def serve(
    screen: Screen,
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; others than this machine need a token.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the record lives.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="The services to watch: grace.yaml.")] = None,
    adopt_ledger: Annotated[
        bool, typer.Option("--adopt-ledger", help="Once, after a planned move: take on a log whose witness is empty.")
    ] = False,
) -> None:
    """Run the server until it is told to stop; options win over GRACE_ variables (docs/settings.md)."""
    settings = load_settings(host=host, port=port, data_folder=data, services_file=config)

    def ready(address: str, first_token: str | None) -> None:
        announce(settings.data_folder, address)
        if first_token is not None:
            kept = keep_token(settings.data_folder, first_token)
            screen.aside(f"No admin's token existed: one is kept in {kept}, for commands of this machine.")
        if screen.as_json:
            screen.record({"address": address, "data_folder": str(settings.data_folder), "pid": os.getpid()})
            return
        screen.line(f"GRACE listens at {address}, data in {settings.data_folder}")
        screen.line("next: grace status")

    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _stop)  # uvicorn raises it again when it is done; then what we opened is closed
    try:
        with starting_told():
            wiring.serve(settings, ready, adopt_ledger=adopt_ledger, kept=kept_token(settings.data_folder))
    finally:
        retract(settings.data_folder)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise typer.Exit(Exit.DONE)
