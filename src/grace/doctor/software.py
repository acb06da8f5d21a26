"""Software: the interpreter, and the two SQLite libraries with what GRACE needs compiled into them."""

from __future__ import annotations

import json
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

from grace.doctor.saying import failed, not_known, well
from grace.model.examination import CheckResult

OLDEST_PYTHON: Final = (3, 11)
OLDEST_SQLITE: Final = (3, 38, 0)
"""JSON is built in from this one on, and `RETURNING` and upserts with it."""
HARMFUL: Final = frozenset({"THREADSAFE=0", "OMIT_WAL", "OMIT_JSON", "OMIT_FOREIGN_KEY", "OMIT_TRIGGER"})
NEEDED_OF_APSW: Final = frozenset({"ENABLE_SESSION", "ENABLE_PREUPDATE_HOOK"})
_ASK_APSW: Final = "import apsw, json; print(json.dumps([apsw.sqlite_lib_version(), *apsw.compile_options]))"
_PATIENCE_S: Final = 20.0


def software() -> Iterator[CheckResult]:
    """Look at the interpreter and at both SQLite libraries."""
    yield python(sys.version_info[:3], platform.python_version())
    with closing(sqlite3.connect(":memory:")) as connection:
        options = [str(row[0]) for row in connection.execute("PRAGMA compile_options")]
    yield sqlite(sqlite3.sqlite_version_info, options, sqlite3.threadsafety)
    yield _sqlite_of_targets()


def python(version: tuple[int, ...], shown: str) -> CheckResult:
    if version[:2] < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        return failed("software.python", "Python", shown, f"install Python {needed} or newer, then `make setup`")
    return well("software.python", "Python", shown)


def sqlite(version: tuple[int, ...], options: Iterable[str], threadsafety: int) -> CheckResult:
    """Look at the library that holds the record."""
    check, about = "software.sqlite", "SQLite of the record"
    shown = ".".join(map(str, version))
    harmful = sorted(HARMFUL.intersection(options))
    if version < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        return failed(check, about, shown, f"install a Python whose sqlite3 is {needed} or newer")
    if harmful or threadsafety == 0:
        why = ", ".join(harmful) or "it is not safe for threads"
        return failed(check, about, f"{shown}, compiled with {why}", "install a Python whose sqlite3 is complete")
    return well(check, about, f"{shown}, with write-ahead log, JSON and threads")


def sqlite_of_targets(said: str) -> CheckResult:
    """Judge what the library for target databases said of itself."""
    check, about = "software.apsw", "SQLite for target databases"
    version, *options = (str(one) for one in json.loads(said))
    missing = sorted(NEEDED_OF_APSW.difference(options))
    if missing:
        return failed(check, about, f"{version} without {', '.join(missing)}", "pip install --force-reinstall apsw")
    return well(check, about, f"{version}, with sessions, so that what a plan writes can be undone row by row")


def _sqlite_of_targets() -> CheckResult:
    # In a process of its own: two SQLite libraries in one drop each other's locks.
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", _ASK_APSW], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return not_known("software.apsw", "SQLite for target databases", f"cannot be asked: {error}", "grace doctor")
    if asked.returncode != 0:
        why = (asked.stderr.strip().splitlines() or ["it cannot be imported"])[-1]
        return failed("software.apsw", "SQLite for target databases", why, "pip install --force-reinstall apsw")
    return sqlite_of_targets(asked.stdout)
