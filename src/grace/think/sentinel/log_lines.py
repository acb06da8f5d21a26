"""Log lines: text to messages, each with its level, its time and what it says, in whatever layout it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from grace.model.signal import Severity

_LONGEST_LINE: Final = 8_192
_MOST_LINES: Final = 200
"""Lines that one message keeps; the rest of a longer one is counted and not kept."""
_HEAD: Final = 200
"""A level and a time stand at the beginning of a line."""
_CONTINUES: Final = re.compile(
    r"^(?:\s+\S|Traceback \(most recent|Caused by\b|Caused: |\.\.\. \d+ more|[\w.$]+(?:Error|Exception)\b.{0,20}:|\})"
)
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
    """Its first line from the level on: what stands before it names places and times, and not the fault."""
    line: int
    lines: int
    severity: Severity | None
    at: datetime | None


def messages_in(lines: Iterable[str]) -> Iterator[LogMessage]:
    """Yield the messages of a log: a line with those that continue it, such as a traceback."""
    kept: list[str] = []
    first = 1
    count = 0
    for number, written in enumerate(lines, 1):
        line = written.rstrip("\r\n")[:_LONGEST_LINE]
        if not line.strip():
            continue
        if kept and _CONTINUES.match(line):
            count += 1
            if len(kept) < _MOST_LINES:
                kept.append(line)
            continue
        if kept:
            yield _message(kept, first, count)
        kept, first, count = [line], number, 1
    if kept:
        yield _message(kept, first, count)


def _message(kept: list[str], first: int, count: int) -> LogMessage:
    head = kept[0][:_HEAD]
    level = _LEVEL.search(head)
    after = kept[0][level.end() :].lstrip(" \t:-]|") if level else ""
    return LogMessage("\n".join(kept), after or kept[0], first, count, _severity(head, level), _moment(head))


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
