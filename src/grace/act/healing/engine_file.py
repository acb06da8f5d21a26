"""The engine's file before it is opened: a damaged one is set aside, one that cannot be used now is told of."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from grace.kit.clock import Clock

NO_FACT: Final = "no fact is in it, and open runs are carried on from the ledger"
_LOG: Final = logging.getLogger(__name__)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
_HELD: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PATIENCE_S: Final = 5.0
_READ_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""Up to this size every page is looked at, which takes a tenth of a second; of a larger file the schema alone."""
_PRIMARY: Final = 0xFF
"""What of a result code of SQLite says the kind; the rest says which case of it."""


class EngineUnusableError(RuntimeError):
    """The engine's file is there and whole, as far as one can see, and cannot be used now."""

    def __init__(self, file: Path, why: str, what_next: str) -> None:
        self.file = file
        super().__init__(f"The engine's file {file} cannot be used: {why}. {what_next}")


def set_damaged_aside(file: Path, clock: Clock) -> Path | None:
    """Move a file that is no whole database away, with what belongs to it, and return where it lies now.

    Raise EngineUnusableError for one that is locked or may not be read or written: that one stays where it is.
    """
    if not os.path.lexists(file):
        return None
    why = _damage(file)
    if not why:
        return None
    aside = file.with_name(f"{file.name}.damaged-{clock.now():%Y%m%dT%H%M%S.%fZ}")
    # The write-ahead log goes first: beside a new database it would be taken for that one's.
    for suffix in ("-wal", "-shm", ""):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _LOG.error("the engine's file %s was damaged (%s) and now lies at %s: %s", file, why, aside, NO_FACT)
    return aside


def _damage(file: Path) -> str:
    """Return what is wrong with the content of the file, or nothing."""
    if not file.is_file():
        raise EngineUnusableError(file, "it is no file", "Move away what stands there, then start again.")
    if not os.access(file, os.R_OK | os.W_OK):
        raise EngineUnusableError(file, "this user may not read and write it", f"See `ls -l {file}`.")
    try:
        # It is opened for writing: what a kill left is recovered, and a lock that others hold is found out.
        with closing(sqlite3.connect(file, timeout=_PATIENCE_S, isolation_level=None)) as database:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            if file.stat().st_size > _READ_WHOLE_BYTES:
                return ""
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        if code in _DAMAGED:
            return str(error)
        if code in _HELD:
            why, what_next = f"another process holds it locked ({error})", f"See `fuser {file}`."
        else:
            why, what_next = f"SQLite says {error}", "See `grace doctor`."
        raise EngineUnusableError(file, why, what_next) from error
    return "" if found == "ok" else str(found)
