"""JSON lines: what one line of a structured log says, by the field names that loggers use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

_LONGEST: Final = 65_536
"""A longer line is read as text."""
_MESSAGE: Final = ("msg", "message", "log", "event", "text")
_LEVEL: Final = ("level", "severity", "levelname", "log.level", "lvl")
_TIME: Final = ("time", "ts", "@timestamp", "timestamp", "asctime")
_RAISED: Final = ("exception", "stack_trace", "stacktrace", "exc_info", "err", "error", "stack")
_TYPE: Final = ("type", "name", "class", "exception_class")
_TOLD: Final = ("message", "msg", "exception_message")
_STACK: Final = ("stack", "stack_trace", "stacktrace", "trace")
_PINO: Final = ((60, "fatal"), (50, "error"), (40, "warn"), (30, "info"), (20, "debug"), (0, "trace"))
"""Levels as numbers, as pino and bunyan write them."""
_OTHER_LEVELS: Final = {"information": "info", "verbose": "debug", "dpanic": "panic"}
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A greater number of seconds would be after the year 5000: it counts milliseconds."""


@dataclass(frozen=True, slots=True)
class JsonLine:
    """What a structured line says: its message, what was raised beside it, level and time as they were written."""

    message: str
    raised: str
    level: str
    at: datetime | None
    wraps_line: bool
    """It is a line of another log, wrapped by a container's logger: its next line may go on with it."""

    @property
    def title(self) -> str:
        """Return the message and what was raised, each by its first line."""
        message, raised = self.message.split("\n", 1)[0], self.raised.split("\n", 1)[0]
        return message if raised in message else f"{message}: {raised}"

    @property
    def text(self) -> str:
        """Return the message with what was raised beneath it."""
        is_told_once = not self.raised or self.raised in self.message
        return self.message if is_told_once else "\n".join(filter(None, (self.message, self.raised)))


def json_line(written: str) -> JsonLine | None:
    """Return what a line that is one JSON object says; None for any other line, or when no known field says it."""
    line = written.strip()
    if not line.startswith("{") or not line.endswith("}") or len(line) > _LONGEST:
        return None
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fields = cast("dict[str, object]", found)
    message = _text(fields, _MESSAGE)
    raised = next((told for name in _RAISED if (told := _raised(fields.get(name)))), "")
    if not message and not raised:
        return None
    wraps_line = message == _text(fields, ("log",)) and "stream" in fields
    return JsonLine(message or raised, raised, _level(fields), _moment(fields), wraps_line)


def _text(fields: Mapping[str, object], names: Iterable[str]) -> str:
    said = (fields.get(name) for name in names)
    return next((one.strip("\r\n").rstrip() for one in said if isinstance(one, str) and one.strip()), "")


def _raised(value: object) -> str:
    """Return an exception in the layout of a text log: type and message, and beneath them the stack."""
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, dict):
        return ""
    fields = cast("dict[str, object]", value)
    head = ": ".join(filter(None, (_text(fields, _TYPE), _text(fields, _TOLD))))
    stack = _text(fields, _STACK)
    return stack if head and head in stack else "\n".join(filter(None, (head, stack)))


def _level(fields: Mapping[str, object]) -> str:
    for value in (fields.get(name) for name in _LEVEL):
        if isinstance(value, str) and value.strip():
            return _OTHER_LEVELS.get(value.strip().lower(), value.strip().lower())
        if isinstance(value, int) and not isinstance(value, bool):
            return next((name for least, name in _PINO if value >= least), "")
    return ""


def _moment(fields: Mapping[str, object]) -> datetime | None:
    """Return the time of a line; one without a zone counts as UTC, one that cannot be read as none."""
    value = next((found for name in _TIME if (found := fields.get(name)) is not None), None)
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip().replace(",", "."))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            seconds = value / 1000 if value > _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
