"""Events: the newest ledger entries, by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from grace.api.access import TheHouse, Viewer
from grace.api.paging import AskedEntries, Page, index_cursor
from grace.api.views import EntryView
from grace.kit.canonical import parse_json
from grace.kit.clock import from_rfc3339
from grace.model.events import EventType
from grace.record.store.tables import ledger_entries, ledger_payloads

router = APIRouter(prefix="/api/meta", tags=["meta"])


@router.get("/events")
def list_events(
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedEntries,
    type_: Annotated[list[EventType] | None, Query(alias="type")] = None,
) -> Page[EntryView]:
    """List events, newest first; `/api/log/entries` lists them oldest first."""
    before = index_cursor(wanted)
    both = ledger_entries.outerjoin(ledger_payloads, ledger_entries.c.index == ledger_payloads.c.index)
    query = select(ledger_entries, ledger_payloads.c.payload).select_from(both)
    if before >= 0:
        query = query.where(ledger_entries.c.index < before)
    if type_:
        query = query.where(ledger_entries.c.type.in_([each.value for each in type_]))
    with house.record.read() as connection:
        rows = (
            connection.execute(query.order_by(ledger_entries.c.index.desc()).limit(wanted.limit + 1)).mappings().all()
        )
    items = [
        EntryView.model_validate(
            {
                **row,
                "at": from_rfc3339(row["at"]),
                "payload": None if row["payload"] is None else parse_json(row["payload"]),
            }
        )
        for row in rows[: wanted.limit]
    ]
    return Page(items=items, next_cursor=str(items[-1].index) if len(rows) > wanted.limit else None)
