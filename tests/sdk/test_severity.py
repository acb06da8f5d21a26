from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import subprocess
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import grace_sdk
import pytest
from grace_sdk.severity import SEVERITIES, severity_of, severity_of_kind, severity_of_level, severity_of_status
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from tests.sdk import hostile
from tests.sdk.sink import Sink


class _Refused(PermissionError):
    pass


class _StockError(Exception):
    pass


class _HttpError(Exception):
    """Not of a family that carries a status."""

    status_code = 404


class _Sqlstate(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def _sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


def _psycopg(sqlstate: str) -> Exception:
    family = type("Error", (_Sqlstate,), {"__module__": "psycopg"})
    return type("DiskFull", (family,), {"__module__": "psycopg.errors"})(sqlstate)


def _wrapped(original: Exception) -> OperationalError:
    return OperationalError("INSERT", {}, original)


@pytest.mark.parametrize(
    ("exc", "severity"),
    [
        # What nobody ranked is an error, whatever it says and whatever it is called.
        (ValueError("critical: the author is fatal"), "error"),
        (_StockError("no critical errors, all warnings fixed"), "error"),
        (_HttpError(), "error"),
        (RecursionError(), "error"),
        (AssertionError(), "error"),
        (StopIteration(), "error"),
        # Orders to stop.
        (KeyboardInterrupt(), "info"),
        (SystemExit(1), "info"),
        (GeneratorExit(), "debug"),
        (asyncio.CancelledError(), "info"),
        # The process or the machine is out of something.
        (MemoryError(), "critical"),
        (SystemError(), "critical"),
        (OSError(errno.ENOSPC, "No space left on device"), "critical"),
        (OSError(errno.EMFILE, "Too many open files"), "critical"),
        (OSError(errno.EROFS, "Read-only file system"), "critical"),
        (OSError("No space left on device"), "error"),
        (OSError(errno.ENOENT, "No such file"), "error"),
        (TimeoutError("database is locked"), "error"),
        (ConnectionRefusedError(), "error"),
        (_Refused(), "error"),
        (BlockingIOError(), "warning"),
        (InterruptedError(), "warning"),
        # Databases, by code.
        (_sqlite(5), "error"),
        (_sqlite(11), "critical"),
        (_sqlite(13), "critical"),
        (_sqlite(10 | 6 << 8), "critical"),
        (sqlite3.OperationalError("database disk image is malformed"), "error"),
        (_psycopg("53100"), "critical"),
        (_psycopg("40001"), "error"),
        (_wrapped(_sqlite(13)), "critical"),
        (_wrapped(ValueError()), "error"),
        # HTTP, by status.
        (HTTPException(503), "error"),
        (HTTPException(429), "warning"),
        (HTTPException(404), "info"),
        (HTTPError("http://x", 502, "Bad Gateway", Message(), None), "error"),
        (HTTPError("http://x", 404, "Not Found", Message(), None), "info"),
        # Warnings.
        (UserWarning(), "warning"),
        (ResourceWarning(), "warning"),
        (RuntimeWarning(), "warning"),
        (DeprecationWarning(), "info"),
        (PendingDeprecationWarning(), "info"),
        (FutureWarning(), "info"),
        # A group is as bad as the worst in it.
        (ExceptionGroup("both", [ValueError(), MemoryError()]), "critical"),
        (ExceptionGroup("deep", [ExceptionGroup("inner", [UserWarning()])]), "warning"),
        (BaseExceptionGroup("stop", [KeyboardInterrupt()]), "info"),
        (subprocess.CalledProcessError(1, "x"), "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__name__}-{value}"[:40],
)
def test_the_family_of_an_exception_and_its_code_say_how_bad_it_is(exc: BaseException, severity: str) -> None:
    assert severity_of(exc) == severity


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (logging.NOTSET, "debug"),
        (logging.DEBUG, "debug"),
        (19, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (35, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "critical"),
        (99, "critical"),
    ],
)
def test_a_logging_level_has_the_severity_of_its_range(level: int, severity: str) -> None:
    assert severity_of_level(level) == severity


@pytest.mark.parametrize(
    ("status", "severity"),
    [(200, "info"), (302, "info"), (404, "info"), (429, "warning"), (451, "info"), (500, "error"), (599, "error")],
)
def test_a_status_has_the_severity_of_its_range(status: int, severity: str) -> None:
    assert severity_of_status(status) == severity


def test_a_class_without_an_instance_is_ranked_by_family() -> None:
    assert severity_of_kind(ResourceWarning) == "warning"
    assert severity_of_kind(DeprecationWarning) == "info"
    assert severity_of_kind(OSError) == "error"


def test_every_exception_of_python_has_a_severity() -> None:
    waiting: list[type[BaseException]] = [BaseException]
    while waiting:
        kind = waiting.pop()
        assert severity_of_kind(kind) in SEVERITIES
        waiting += [child for child in type.__subclasses__(kind) if child.__module__ == "builtins"]


def test_capture_ranks_by_family_unless_told(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(MemoryError())
    grace_sdk.capture(MemoryError(), severity="debug")
    grace_sdk.capture(hostile.Hostile())
    assert grace_sdk.flush(20.0)
    assert [signal["severity"] for signal in sink.wait_for(3)] == ["critical", "debug", "error"]


def test_a_disk_that_is_full_is_critical(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    try:
        Path("/dev/full").write_bytes(b"x")
    except OSError as exc:
        grace_sdk.capture(exc)
    assert grace_sdk.flush(20.0)
    assert sink.wait_for(1)[0]["severity"] == "critical"
