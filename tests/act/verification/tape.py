"""Readings written as a strip: `+` holds, `-` contrary, `?` unknown, a blank is a sample that was never taken."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from grace.act.verification.evidence import Evidence
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.reading import Known, Reading, Unknown

START = datetime(2026, 11, 1, 11, 59, 50, tzinfo=UTC)
END = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return END + timedelta(seconds=seconds)


def clause(**changes: Any) -> Clause:
    fields: dict[str, Any] = {
        "id": "after-1",
        "phase": Phase.AFTER,
        "source": ClauseSource.PROBE,
        "name": "sqlite.writable",
        "probe": "sqlite.writable",
        "comparator": Comparator.IS,
        "expected": True,
        "within_s": 2.0,
        "for_s": 3.0,
        "every_s": 0.5,
    }
    return Clause(**(fields | changes))


def reading(seconds: float, value: JsonValue) -> Reading:
    return Reading(at=at(seconds), found=Known(value=value))


def silence(seconds: float) -> Reading:
    return Reading(at=at(seconds), found=Unknown(why="silent"))


def strip(marks: str, *, every_s: float = 0.5, from_s: float = 0.0) -> tuple[Reading, ...]:
    made: list[Reading] = []
    for place, mark in enumerate(marks):
        seconds = from_s + place * every_s
        match mark:
            case "+" | "-":
                made.append(reading(seconds, mark == "+"))
            case "?":
                made.append(silence(seconds))
            case _:
                pass
    return tuple(made)


def evidence(readings: Mapping[str, tuple[Reading, ...]], until_s: float = 5.5, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {"started_at": START, "ended_at": END, "observed_until": at(until_s), "readings": readings}
    return Evidence(**(fields | changes))


def contract(*clauses: Clause) -> Contract:
    return Contract(clauses=clauses)
