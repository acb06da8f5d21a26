"""Logging: a handler that turns log records into signals."""

from __future__ import annotations

import logging
from typing import Final

from grace_sdk.installation import installed
from grace_sdk.safety import Fault, attempt
from grace_sdk.severity import severity_of_level
from grace_sdk.sighting import copy_text

_OWN_LOGGER: Final = "grace_sdk"
_OWN_THREADS: Final = "grace-sdk"
_SEEN: Final = "__grace_seen__"


class CaptureHandler(logging.Handler):
    """Capture records of a level and above: `logging.getLogger().addHandler(CaptureHandler())`.

    `init` does so by itself from ERROR up; a handler is for another level, or for the loggers of a part. A record that
    both meet is recorded once, and an exception that was already captured on its way up is not captured again.
    """

    def __init__(self, level: int = logging.ERROR) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        record_log(record)


def record_log(record: logging.LogRecord) -> None:
    """Record a log record once; the SDK's own are left out."""
    attempt(_record_once, record)


def _record_once(record: logging.LogRecord) -> None:
    is_ours = record.name.partition(".")[0] == _OWN_LOGGER or str(record.threadName).startswith(_OWN_THREADS)
    if is_ours or _SEEN in vars(record):
        return
    setattr(record, _SEEN, True)
    message = attempt(record.getMessage)
    text = copy_text(record.msg if isinstance(message, Fault) else message)
    labels = {"logger": record.name}
    severity = severity_of_level(record.levelno)
    exc = record.exc_info[1] if record.exc_info else None
    if exc is not None:
        installed.recorder.record_once(exc, severity=severity, labels=labels, context={"log": text})
    else:
        # The template, not the text: equal causes have equal titles whatever the numbers in them.
        installed.recorder.record("log", title=copy_text(record.msg), message=text, severity=severity, labels=labels)
