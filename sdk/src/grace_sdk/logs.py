"""Logging: a handler that turns log records into signals."""

from __future__ import annotations

import logging
from typing import Final

from grace_sdk.lifecycle import recorder
from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import copy_text

_OWN_LOGGER: Final = "grace_sdk"
_OWN_THREADS: Final = "grace-sdk"
_SEVERITIES: Final = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class CaptureHandler(logging.Handler):
    """Capture records of a level and above: `logging.getLogger().addHandler(CaptureHandler())`.

    An exception that was already captured on its way up is not captured again. The SDK's own records are left out.
    """

    def __init__(self, level: int = logging.ERROR) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] == _OWN_LOGGER or str(record.threadName).startswith(_OWN_THREADS):
            return
        attempt(_record, record)


def _record(record: logging.LogRecord) -> None:
    message = attempt(record.getMessage)
    text = copy_text(record.msg if isinstance(message, Fault) else message)
    labels = {"logger": record.name}
    severity = _severity(record.levelno)
    exc = record.exc_info[1] if record.exc_info else None
    if exc is not None:
        recorder().record_once(exc, severity=severity, labels=labels, context={"log": text})
    else:
        # The template, not the text: equal causes have equal titles whatever the numbers in them.
        recorder().record("log", title=copy_text(record.msg), message=text, severity=severity, labels=labels)


def _severity(level: int) -> str:
    return next((name for least, name in _SEVERITIES if level >= least), "debug")
