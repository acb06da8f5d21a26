"""Events: ledger entries by what they say, whom they concern and when, and the registry of their types."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, JsonValue
from sqlalchemy import ColumnElement, select

from grace.api.access import TheHouse, Viewer
from grace.api.paging import AskedEntries, Page, Wanted, index_cursor
from grace.api.problems import ProblemError, documented
from grace.api.views import EntryView, View
from grace.kit.canonical import JsonInvalidError, parse_json
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.documents import did_you_mean
from grace.kit.wording import in_words
from grace.model.events import PAYLOADS, EventType
from grace.record.mesh.patterns import PatternUnknownError, matching_types
from grace.record.mesh.webhooks.cloudevents import schema_name
from grace.record.store.damage import PUT_BACK, RecordDamagedError
from grace.record.store.tables import ledger_entries, ledger_payloads

router = APIRouter(prefix="/api/meta", tags=["meta"])

_LONGEST_PATTERN: Final = 100
_MOST_PATTERNS: Final = 50
_LARGEST_INDEX: Final = 2**53

Pattern = Annotated[str, Query(max_length=_LONGEST_PATTERN)]
Identity = Annotated[str | None, Query(max_length=200)]


class EventTypeView(View):
    """One type of event, and what it carries."""

    type: str
    noun: str
    summary: str
    dataschema: str


class EventTypeDetail(EventTypeView):
    """The type with the JSON Schema of its payload."""

    payload_schema: dict[str, JsonValue]


@router.get("/events")
def list_events(  # noqa: PLR0913, PLR0917 - each is one parameter of the query
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedEntries,
    type_: Annotated[
        list[Pattern] | None,
        Query(alias="type", max_length=_MOST_PATTERNS, description="`run.settled`, `run.*`, `*.opened` or `*`"),
    ] = None,
    incident_id: Identity = None,
    run_id: Identity = None,
    service: Identity = None,
    since: Annotated[AwareDatetime | None, Query(description="written at this time or later")] = None,
    until: Annotated[AwareDatetime | None, Query(description="written before this time")] = None,
    after: Annotated[
        int | None,
        Query(ge=-1, le=_LARGEST_INDEX, description="oldest first, from behind this index on; -1: from the beginning"),
    ] = None,
) -> Page[EntryView]:
    """List events, newest first, or with `after` oldest first; several types are joined by *or*, the rest by *and*."""
    column = ledger_entries.c
    conditions = [
        *([] if type_ is None else [column.type.in_(sorted(types_meant(type_)))]),
        *([] if incident_id is None else [column.incident_id == incident_id]),
        *([] if run_id is None else [column.run_id == run_id]),
        *([] if service is None else [column.service == service]),
        *([] if since is None else [column.at >= _text(since)]),
        *([] if until is None else [column.at < _text(until)]),
    ]
    both = ledger_entries.outerjoin(ledger_payloads, column.index == ledger_payloads.c.index)
    query = select(ledger_entries, ledger_payloads.c.payload).select_from(both).where(*conditions)
    query = query.where(*_beyond(wanted, after)).order_by(column.index.desc() if after is None else column.index)
    with house.record.read() as connection:
        rows = connection.execute(query.limit(wanted.limit + 1)).mappings().all()
    items = [
        EntryView.model_validate({**row, "at": from_rfc3339(row["at"]), "payload": _read(row["payload"])})
        for row in rows[: wanted.limit]
    ]
    return Page(items=items, next_cursor=str(items[-1].index) if len(rows) > wanted.limit else None)


@router.get("/event-types")
def list_event_types(_viewer: Viewer) -> Page[EventTypeView]:
    """List every type of event there is, with the noun it carries and the name of its schema."""
    return Page(items=[_type_view(kind) for kind in EventType])


@router.get("/event-types/{name}", responses=documented(HTTPStatus.NOT_FOUND))
def read_event_type(name: Annotated[str, Path(max_length=_LONGEST_PATTERN)], _viewer: Viewer) -> EventTypeDetail:
    """Show one type of event with the JSON Schema of its payload."""
    known = {kind.value: kind for kind in EventType}
    if name not in known:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "no-event-type", "There is no such type of event.", did_you_mean(name, known)
        )
    kind = known[name]
    schema = PAYLOADS[kind].model_json_schema()
    return EventTypeDetail(**_type_view(kind).model_dump(), payload_schema=schema)


def types_meant(patterns: list[str]) -> frozenset[EventType]:
    """Return the types that some patterns mean; raise a 422 problem with near names for one that means none."""
    try:
        return matching_types(patterns, EventType)
    except PatternUnknownError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        what = f"A type names no event that there is. {error.hint}"
        raise ProblemError(status, "event-type", what, "GET /api/meta/event-types lists all types") from error


def _beyond(wanted: Wanted, after: int | None) -> list[ColumnElement[bool]]:
    index, cursor = ledger_entries.c.index, index_cursor(wanted)
    if after is not None:
        return [index > max(after, cursor)]
    return [index < cursor] if cursor >= 0 else []


def _type_view(kind: EventType) -> EventTypeView:
    noun = PAYLOADS[kind]
    summary = (inspect.getdoc(noun) or "").partition("\n")[0]
    return EventTypeView(type=kind.value, noun=noun.__name__, summary=summary, dataschema=schema_name(kind))


def _text(moment: datetime) -> str:
    try:
        return to_rfc3339(moment.astimezone(UTC))
    except OverflowError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        raise ProblemError(
            status, "time", "The time lies outside of time.", "Give a year between 2 and 9998"
        ) from error


def _read(payload: str | None) -> JsonValue:
    try:
        return None if payload is None else parse_json(payload)
    except JsonInvalidError as error:
        what = f"the payload of an entry cannot be read ({in_words(error)})"
        raise RecordDamagedError(what, PUT_BACK) from error
