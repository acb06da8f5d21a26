"""Spans: the time a sentence speaks of, such as the last hour, on monday, or since ten o'clock. Days are of UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

_UNITS: Final = MappingProxyType(
    {
        "minute": timedelta(minutes=1),
        "min": timedelta(minutes=1),
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "night": timedelta(hours=12),
        "week": timedelta(weeks=1),
        "month": timedelta(days=30),
    }
)
_MOST: Final = 10_000
_LAST: Final = re.compile(
    r"\b(?:last|past|since)\s+(?P<number>\d{1,6}|a|an|one|two|three|few)?\s*(?P<unit>minute|min|hour|day|night|week|month)s?\b",
    re.IGNORECASE,
)
_NUMBERS: Final = MappingProxyType({"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "few": 3})
_DAY: Final = re.compile(
    r"\b(?P<day>today|yesterday|tonight|this (?:morning|afternoon|evening|hour|night|week)|recently)\b", re.IGNORECASE
)
_SINCE: Final = re.compile(
    r"\bsince\s+(?P<date>\d{4}-\d\d-\d\d)?"
    r"(?:[T ]?(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)?(?:\s*o'?clock)?)?",
    re.IGNORECASE,
)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKDAY: Final = rf"(?:{'|'.join(_WEEKDAYS)})"
_WEEKDAY: Final = re.compile(
    r"\b(?P<since>since\s+)?(?:(?P<last>last|past)\s+|(?:on|this)\s+)?"
    rf"(?P<weekday>{WEEKDAY})\b",
    re.IGNORECASE,
)
_NOON: Final = 12
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Ago:
    """Back from now by so much."""

    by: timedelta

    def start(self, now: datetime) -> datetime:
        return now - self.by


@dataclass(frozen=True, slots=True)
class SinceDay:
    """From the beginning of a day, counted back from today."""

    back: int = 0

    def start(self, now: datetime) -> datetime:
        return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=self.back)


@dataclass(frozen=True, slots=True)
class SinceMoment:
    """From a date, or from the newest time of day that is past."""

    hour: int = 0
    minute: int = 0
    date: str = ""

    def start(self, now: datetime) -> datetime:
        if self.date:
            return datetime.fromisoformat(f"{self.date}T{self.hour:02}:{self.minute:02}:00+00:00")
        today = now.astimezone(UTC).replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SinceWeekday:
    """From the beginning of the newest such day that is not ahead: today, or one of the six days before it."""

    weekday: int
    """Monday is 0."""
    is_last: bool = False
    """`last friday`: said on a friday, it is the one a week ago."""

    def start(self, now: datetime) -> datetime:
        today = SinceDay().start(now)
        back = (today.weekday() - self.weekday) % _WEEK
        return today - timedelta(days=back or (_WEEK if self.is_last else 0))


@dataclass(frozen=True, slots=True)
class OnWeekday(SinceWeekday):
    """That day alone."""

    def end(self, now: datetime) -> datetime:
        return self.start(now) + timedelta(days=1)


Span = Ago | SinceDay | SinceMoment | SinceWeekday | OnWeekday


def span_in(said: str) -> Span | None:
    """Return the span that a sentence names; None for none, or for one that is no time."""
    if found := _LAST.search(said):
        written = (found["number"] or "1").lower()
        number = _NUMBERS.get(written) or int(written)
        return Ago(min(number, _MOST) * _UNITS[found["unit"].lower()])
    if found := _DAY.search(said):
        return _named(found["day"].lower())
    if found := _WEEKDAY.search(said):
        return _weekday(found)
    found = _SINCE.search(said)
    return _moment(found) if found and (found["date"] or found["hour"]) else None


def _named(day: str) -> Span:
    match day:
        case "yesterday":
            return SinceDay(1)
        case "recently":
            return SinceDay(1)
        case "this hour":
            return Ago(timedelta(hours=1))
        case "this week":
            return Ago(timedelta(weeks=1))
        case _:
            return SinceDay()


def _weekday(found: re.Match[str]) -> Span:
    kind = SinceWeekday if found["since"] else OnWeekday
    return kind(_WEEKDAYS.index(found["weekday"].lower()), is_last=bool(found["last"]))


def _moment(found: re.Match[str]) -> Span | None:
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    if found["half"]:
        hour = hour % _NOON + (_NOON if found["half"].lower() == "pm" else 0)
    moment = SinceMoment(hour, minute, found["date"] or "")
    try:
        datetime.fromisoformat(f"{moment.date or '2000-01-01'}T{hour:02}:{minute:02}:00")
    except ValueError:
        return None
    return moment
