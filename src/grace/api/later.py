"""What was said of runs after their end: every undo and keep of them, and which may still follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, bindparam, func, or_, select

from grace.act.healing.telling import Since
from grace.act.healing.words import Word, last_word, refusal_of
from grace.model.run import RunKind
from grace.model.settlement import SettlementKind
from grace.record.store.tables import runs

_COLUMNS: Final = (
    runs.c.id,
    runs.c.kind,
    runs.c.of_run,
    runs.c.settlement,
    runs.c.requested_by,
    runs.c.opened_at,
    runs.c.settled_at,
    func.json_extract(runs.c.doc, "$.run.reason").label("why"),
    func.json_extract(runs.c.doc, "$.settlement.sentence").label("sentence"),
)
_ABOUT: Final = (
    select(*_COLUMNS)
    .where(or_(runs.c.id.in_(bindparam("ids", expanding=True)), runs.c.of_run.in_(bindparam("ids", expanding=True))))
    .order_by(runs.c.opened_at, runs.c.id)
)


def with_later(connection: Connection, rows: Sequence[RowMapping]) -> list[Mapping[str, object]]:
    """Return runs with what was said of each since its end, and whether it may be kept and undone now."""
    told = _words_on(connection, {row["of_run"] or row["id"] for row in rows})
    return [
        {
            **row,
            "later": [one for one in told[row["id"]] if one["of_run"] == row["id"]],
            "can_be_kept": _may(RunKind.KEEP, told[row["of_run"] or row["id"]]),
            "can_be_undone": _may(RunKind.UNDO, told[row["of_run"] or row["id"]]),
        }
        for row in rows
    ]


def said_since(connection: Connection, ids: Iterable[str]) -> dict[str, Since]:
    """Return, by run, what stands instead of its own end since a person undid or kept it."""
    return {run_id: since for run_id, words in _words_on(connection, set(ids)).items() if (since := _since(words))}


def _words_on(connection: Connection, ids: set[str]) -> dict[str, list[RowMapping]]:
    """Return each run with what speaks of it, in order."""
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(_ABOUT, {"ids": sorted(ids)}).mappings():
        found[row["of_run"] or row["id"]].append(row)
    return found


def _may(kind: RunKind, rows: Sequence[RowMapping]) -> bool:
    return refusal_of(kind, [_word(row) for row in rows]) is None


def _word(row: RowMapping) -> Word:
    settled = None if row["settlement"] is None else SettlementKind(row["settlement"])
    return Word(row["id"], RunKind(row["kind"]), settled)


def _since(words: Sequence[RowMapping]) -> Since | None:
    """Return the newest word on a run that stands or is under way."""
    last_id = last_word([_word(row) for row in words]).id
    last = next(row for row in words if row["id"] == last_id)
    if last is words[0]:
        return None
    at: datetime = last["settled_at"] or last["opened_at"]
    return Since(
        run_id=last["id"],
        kind=RunKind(last["kind"]),
        by=last["requested_by"],
        at=at,
        settlement=None if last["settlement"] is None else SettlementKind(last["settlement"]),
        sentence=last["sentence"] or "",
    )


def with_open_advice(connection: Connection, rows: Iterable[RowMapping]) -> list[Mapping[str, object]]:
    """Return incidents; one whose run was kept or undone since it was handed over is not told to do that again."""
    found = list(rows)
    handed: dict[str, str] = {
        row["id"]: row["doc"]["escalation"]["run_id"] for row in found if row["doc"].get("escalation")
    }
    since = said_since(connection, handed.values())
    return [
        {
            **row,
            "doc": _advised(row["doc"], f"grace explain {row['id']}") if handed.get(row["id"]) in since else row["doc"],
        }
        for row in found
    ]


def _advised(doc: Mapping[str, JsonValue], advice: str) -> dict[str, JsonValue]:
    escalation = cast("dict[str, JsonValue]", doc["escalation"])
    return {**doc, "escalation": {**escalation, "next": advice}}
