"""Log prefixes: what a collector writes before each line of a program's own output, and what is left without it.

Known are syslog and journald (`Nov 22 09:00:05 web1 app[812]: …`, also with an ISO time), the logs of containers below
/var/log/containers (CRI: `<time> stderr F …`), and `docker compose logs` (`web-1  | …`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_CRI: Final = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\dT\S{8,36}) (?P<stream>stdout|stderr) (?P<part>[PF])(?:\S*) ?(?P<rest>.*)$"
)
_TAG: Final = r"(?P<tag>[\w./@:()-]{1,80}?)"
_SYSLOG: Final = re.compile(
    r"^(?:<\d{1,3}>)?(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?) (?P<host>[\w.:-]{1,255}) "
    rf"{_TAG}(?:\[(?P<pid>\d{{1,10}})\])?: ?(?P<rest>.*)$"
)
_JOURNAL: Final = re.compile(
    r"^(?:<\d{1,3}>)?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,16}) "
    rf"(?!(?:TRACE|DEBUG|INFO|WARN\w*|ERROR|CRITICAL|FATAL)\b)(?P<host>[\w.:-]{{1,255}}) {_TAG}\[(?P<pid>\d{{1,10}})\]"
    r": ?(?P<rest>.*)$"
)
"""With the time of ISO 8601 only a process id tells it from the lines of other loggers."""
_COMPOSE: Final = re.compile(r"^(?P<name>[\w.-]{1,80}[-_]\d{1,4}) {1,40}\| ?(?P<rest>.*)$")
_SOON: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A line without its prefix; lines of one `source` may continue each other, however others stand between them."""

    text: str
    source: str = ""
    at: datetime | None = None
    is_partial: bool = False
    """The next line of this source goes on in the middle of this one."""


def unwrapped(line: str, written: datetime | None = None) -> Unwrapped:
    """Return a line without its prefix.

    syslog names no year: it is the latest in which the time is not after `written`, when the file was last changed.
    Where that is not known, there is no time.
    """
    if found := _CRI.match(line):
        return Unwrapped(found["rest"], f"cri {found['stream']}", _iso(found["time"]), found["part"] == "P")
    if found := _SYSLOG.match(line) or _JOURNAL.match(line):
        source = f"{found['host']} {found['tag']} {found['pid']}"
        moment = _iso(found["time"]) if found["time"][0].isdigit() else _without_year(found["time"], written)
        return Unwrapped(found["rest"], source, moment)
    if found := _COMPOSE.match(line):
        return Unwrapped(found["rest"], found["name"])
    return Unwrapped(line)


def _iso(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _without_year(time: str, written: datetime | None) -> datetime | None:
    if written is None:
        return None
    for year in (written.year, written.year - 1):
        try:
            moment = datetime.strptime(f"{year} {time[:15]}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        if moment <= written + _SOON:
            return moment
    return None
