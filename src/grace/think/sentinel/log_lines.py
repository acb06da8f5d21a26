"""Log lines: text to messages, each with its level, its time and what it says, in whatever layout it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from grace.model.signal import Severity
from grace.think.sentinel.json_lines import JsonLine, json_line

_LONGEST_LINE: Final = 8_192
_MOST_LINES: Final = 200
"""Lines that one message keeps; the rest of a longer one is counted and not kept."""
_HEAD: Final = 200
"""A level and a time stand at the beginning of a line."""
_CONTINUES: Final = re.compile(
    r"^(?:\s+\S|Traceback \(most recent|Caused by\b|Caused: |\.\.\. \d+ more|[\w.$]+(?:Error|Exception)\b.{0,20}(?::|$)"
    r"|\}|During handling of the above|The above exception was)"
)
_TRACEBACK: Final = "Traceback (most recent call last)"
_RAISED: Final = re.compile(r"^[A-Za-z_][\w.]*(?::\s|$)")
"""The line that ends a traceback of Python, whatever the exception is called."""
_JAVA_RAISED: Final = re.compile(
    r"^(?:Exception in thread \S+ |Caused by: )?(?P<raised>[\w$]+(?:\.[\w$]+)+(?::\s.*)?)$"
)
_JAVA_FRAME: Final = re.compile(r"^\s+at \S")
_LEVEL: Final = re.compile(
    r"(?<![A-Za-z0-9_./-])(?P<level>TRACE|DEBUG|FINE|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?|FATAL|ALERT|"
    r"EMERG(?:ENCY)?|PANIC)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_SHORT_LEVEL: Final = re.compile(r"^(?:[\d:. -]+\s)(?P<level>[VDIWEF])\s|^(?P<glog>[IWEF])\d{4} \d\d:\d\d")
_ISO: Final = re.compile(
    r"(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T ](?P<time>\d\d:\d\d:\d\d)"
    r"(?:[.,](?P<part>\d{1,6}))?\d*(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_APACHE: Final = re.compile(r"\[\w{3} (?P<moment>\w{3} \d\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\]")
_SEVERITIES: Final = {
    "trace": Severity.DEBUG,
    "debug": Severity.DEBUG,
    "fine": Severity.DEBUG,
    "v": Severity.DEBUG,
    "d": Severity.DEBUG,
    "info": Severity.INFO,
    "notice": Severity.INFO,
    "i": Severity.INFO,
    "warn": Severity.WARNING,
    "warning": Severity.WARNING,
    "w": Severity.WARNING,
    "err": Severity.ERROR,
    "error": Severity.ERROR,
    "severe": Severity.ERROR,
    "e": Severity.ERROR,
}


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One message of a log; `lines` tells how many lines it takes."""

    text: str
    said: str
    """What it is about: the exception where one was raised, else its first line from the level on. What stands before
    a level names places and times, and not the fault."""
    line: int
    lines: int
    severity: Severity | None
    at: datetime | None


@dataclass(slots=True)
class _Kept:
    """The lines of one message so far."""

    first: int
    lines: list[str]
    told: JsonLine | None
    count: int = 1

    def goes_on_with(self, line: str) -> bool:
        """Tell whether a line belongs to this message, such as the next one of its traceback."""
        if _CONTINUES.match(line):
            return True
        return self.lines[-1][:1].isspace() and _RAISED.match(line) is not None and _has_traceback(self.lines)

    def add(self, line: str) -> None:
        self.count += 1
        if len(self.lines) < _MOST_LINES:
            self.lines.append(line)

    def message(self) -> LogMessage:
        """Return the whole of it, with the level and the time of its fields where it has them, else of its words."""
        head = self.lines[0][:_HEAD]
        told = self.told if self.told and not self.told.wraps_line else None
        level = None if told else _LEVEL.search(head)
        after = self.lines[0][level.end() :].lstrip(" \t:-]|") if level else ""
        return LogMessage(
            text="\n".join(self.lines),
            said=_raised(self.lines) or (told.title if told else after) or self.lines[0],
            line=self.first,
            lines=self.count,
            severity=_severity_of(told.level) if told else _severity(head, level),
            at=(self.told.at if self.told else None) or _moment(head),
        )


def messages_in(lines: Iterable[str]) -> Iterator[LogMessage]:
    """Yield the messages of a log: a line with those that continue it, such as a traceback; JSON by its fields."""
    kept: _Kept | None = None
    for number, written in enumerate(lines, 1):
        if not written.strip():
            continue
        told = json_line(written)
        said = [line[:_LONGEST_LINE] for line in (told.text.split("\n") if told else [written.rstrip("\r\n")])]
        if kept and (told is None or told.wraps_line) and kept.goes_on_with(said[0]):
            kept.add(said[0])
            continue
        if kept:
            yield kept.message()
        kept = _Kept(number, said[:_MOST_LINES], told)
    if kept:
        yield kept.message()


def _has_traceback(lines: Iterable[str]) -> bool:
    return any(line.lstrip().startswith(_TRACEBACK) for line in lines)


def _raised(lines: list[str]) -> str:
    """Return the exception that a message tells of: the last of Python, the root cause of Java; "" for none."""
    if _has_traceback(lines):
        found = [line for before, line in pairwise(lines) if before[:1].isspace() and _RAISED.match(line)]
    else:
        heads = (_JAVA_RAISED.match(line) for line, after in pairwise(lines) if _JAVA_FRAME.match(after))
        found = [one["raised"] for one in heads if one]
    return found[-1] if found else ""


def _severity_of(level: str) -> Severity | None:
    named = _LEVEL.fullmatch(level)
    return _SEVERITIES.get(level, Severity.CRITICAL) if named else None


def _severity(head: str, level: re.Match[str] | None) -> Severity | None:
    if level is not None:
        return _SEVERITIES.get(level["level"].lower(), Severity.CRITICAL)
    short = _SHORT_LEVEL.match(head)
    return _SEVERITIES.get((short["level"] or short["glog"]).lower(), Severity.CRITICAL) if short else None


def _moment(head: str) -> datetime | None:
    """Return the time at the beginning of a line; one without a zone counts as UTC, one without a year as none."""
    if found := _ISO.search(head):
        zone = found["zone"] or "Z"
        written = f"{found['day'].replace('/', '-')}T{found['time']}.{(found['part'] or '0'):0<6}"
        return _parsed(f"{written}{'+00:00' if zone == 'Z' else zone}", "%Y-%m-%dT%H:%M:%S.%f%z")
    if found := _APACHE.search(head):
        form = "%b %d %H:%M:%S.%f %Y" if "." in found["moment"] else "%b %d %H:%M:%S %Y"
        moment = _parsed(found["moment"], form)
        return moment.replace(tzinfo=UTC) if moment else None
    return None


def _parsed(written: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(written, form)  # noqa: DTZ007 - whoever asks gives the zone
    except ValueError:
        return None
