"""What stops a start or an offline command, as a sentence, a next step and an exit code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from grace import wiring
from grace.cli.addresses import announced
from grace.cli.calls import CommandFailed
from grace.cli.exits import Exit


@contextmanager
def starting_told() -> Generator[None]:
    """Tell what a person wrote wrong, what the data folder lacks, or why the ledger is not believed."""
    try:
        yield
    except wiring.FolderOpenError as error:
        raise CommandFailed(Exit.REFUSED, str(error), _how_to_go_on(error)) from error
    except wiring.FLAWED as error:
        raise CommandFailed(Exit.USAGE, str(error), "mend the file, then start again") from error
    except wiring.REFUSED as error:
        raise CommandFailed(Exit.USAGE, str(error), "grace token list") from error
    except wiring.UNUSABLE as error:
        raise CommandFailed(Exit.FAULT, str(error), "do what it says, then start again") from error
    except wiring.UNTRUSTED as error:
        raise CommandFailed(Exit.LEDGER_INVALID, str(error), "read docs/ledger.md") from error


def _how_to_go_on(found: wiring.FolderOpenError) -> str:
    server = announced(found.folder)
    if server is not None:
        return f"grace status: it answers at {server.address}; or stop it: kill {server.pid}"
    ended = f"; to see what it is: ps -p {found.pid}" if found.pid is not None else ""
    return f"the same again in a moment, when it has started or is done{ended}; another folder: GRACE_DATA_FOLDER"
