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
from grace.think.sentinel.log_prefixes import unwrapped

_LONGEST_LINE: Final = 8_192
_MOST_LINES: Final = 200
"""Lines that one message keeps; the rest of a longer one is counted and not kept."""
_LONGEST_JOINED: Final = 65_536
_HEAD: Final = 200
"""A level and a time stand at the beginning of a line."""
_CONTINUES: Final = re.compile(
    r"^(?:\s+\S|Traceback \(most recent|Caused by\b|Caused: |\.\.\. \d+ more|[\w.$]+(?:Error|Exception)\b.{0,20}(?::|$)"
    r"|\}|During handling of the above|The above exception was|goroutine \d+ \[|\[signal SIG|created by \S|panic\(\S"
    r"|note: run with `RUST_BACKTRACE|stack backtrace:|Node\.js v\d)"
)
_GO_DUMP: Final = "goroutine "
_GO_FRAME: Final = re.compile(r"^(?:[\w./*$-]|\(\*?[\w.]+\))+\(.*\)$|^exit status \d")
_RUST_PANIC: Final = re.compile(r"\bpanicked at \S+:\d+:\d+:$")
_TRACEBACK: Final = "Traceback (most recent call last)"
_RAISED: Final = re.compile(r"^[A-Za-z_][\w.]*(?::\s|$)")
"""The line that ends a traceback of Python, whatever the exception is called."""
_JAVA_RAISED: Final = re.compile(
    r"^(?:Exception in thread \S+ |Caused by: )?(?P<raised>[\w$]+(?:\.[\w$]+)+(?::\s.*)?)$"
)
_SCRIPT_RAISED: Final = re.compile(
    r"^(?:Uncaught )?(?P<raised>(?:[A-Z][\w$]*)?(?:Error|Exception)(?: \[\w+\])?(?::\s.*)?)$"
)
"""The line above the frames of JavaScript, whose types have no package."""
_MOST_SOURCES: Final = 64
"""Programs whose lines stand between each other in one log."""
_JAVA_FRAME: Final = re.compile(r"^\s+at \S")
_LEVEL: Final = re.compile(
    r"(?<![A-Za-z0-9_./`-])(?P<level>TRACE|DEBUG|FINE|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?|FATAL|ALERT|"
    r"EMERG(?:ENCY)?|PANIC)(?![A-Za-z0-9_`(])",
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
    at: datetime | None = None
    count: int = 1

    def goes_on_with(self, line: str) -> bool:
        """Tell whether a line belongs to this message, such as the next one of its traceback."""
        if _CONTINUES.match(line) or _RUST_PANIC.search(self.lines[-1]):
            return True
        if _GO_FRAME.match(line):
            return any(one.startswith(_GO_DUMP) for one in self.lines)
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
        after = _after(self.lines[0], level) if level else ""
        return LogMessage(
            text="\n".join(self.lines),
            said=_raised(self.lines) or (told.title if told else _stopped(self.lines) or after) or self.lines[0],
            line=self.first,
            lines=self.count,
            severity=_severity_of(told.level) if told else _severity(head, level),
            at=(self.told.at if self.told else None) or self.at or _moment(head),
        )


def messages_in(lines: Iterable[str], written: datetime | None = None) -> Iterator[LogMessage]:
    """Yield the messages of a log: a line with those that continue it, such as a traceback; JSON by its fields.

    `written` is when the file was last changed, which tells the year of times that have none.
    """
    kept: dict[str, _Kept] = {}
    for number, source, at, line in _whole_lines(lines, written):
        told = json_line(line)
        said = [part[:_LONGEST_LINE] for part in (told.text.split("\n") if told else [line])]
        before = kept.get(source)
        if before and (told is None or told.wraps_line) and before.goes_on_with(said[0]):
            before.add(said[0])
            continue
        if before or len(kept) >= _MOST_SOURCES:
            yield kept.pop(source if before else next(iter(kept))).message()
        kept[source] = _Kept(number, said[:_MOST_LINES], told, at)
    for one in kept.values():
        yield one.message()


def _whole_lines(lines: Iterable[str], written: datetime | None) -> Iterator[tuple[int, str, datetime | None, str]]:
    """Yield lines without the prefixes of collectors, those that were cut joined: number, source, time and text."""
    cut: dict[str, str] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        found = unwrapped(line.rstrip("\r\n"), written)
        text = cut.pop(found.source, "") + found.text
        if found.is_partial and len(text) < _LONGEST_JOINED:
            cut[found.source] = text
        elif text.strip():
            yield number, found.source, found.at, text
    for source, text in cut.items():
        yield number, source, None, text


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


def _stopped(lines: list[str]) -> str:
    """Return what ended a program of JavaScript or Rust, as their runtimes write it; "" for none."""
    heads = (_SCRIPT_RAISED.match(line) for line, after in pairwise(lines) if _JAVA_FRAME.match(after))
    raised = [one["raised"] for one in heads if one]
    said = [after for line, after in pairwise(lines[:2]) if _RUST_PANIC.search(line)]
    return next(iter((*raised, *said)), "")


def _after(line: str, level: re.Match[str]) -> str:
    """Return what stands behind the level; `http: panic serving` is a sentence, whose level is one of its words."""
    is_word = level["level"] == "panic" and line[level.end() : level.end() + 1] == " "
    return line[level.start() :] if is_word else line[level.end() :].lstrip(" \t:-]|")


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
