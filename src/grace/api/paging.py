"""Pages: newest first, walked by an opaque cursor that stays right while new rows arrive."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, or_, select

from grace.api.problems import ProblemError
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.ids import IdInvalidError, normal_beginning

T = TypeVar("T")

LARGEST_PAGE: Final = 500
_LONGEST_CURSOR: Final = 256


class Page(BaseModel, Generic[T]):
    """Some items and the cursor of the next page; null when this is the last."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page: how many, after which cursor, and for people who type the beginning of an id, which beginning."""

    limit: int
    cursor: str | None
    begins: str | None


async def _wanted(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=_LONGEST_CURSOR, description="`next_cursor` of a page")] = None,
    begins: Annotated[str | None, Query(max_length=64, description="beginning of an id")] = None,
) -> Wanted:
    return Wanted(limit, cursor, begins)


async def _wanted_entries(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=_LONGEST_CURSOR, description="`next_cursor` of a page")] = None,
) -> Wanted:
    return Wanted(limit, cursor, begins=None)


AskedPage = Annotated[Wanted, Depends(_wanted)]
AskedEntries = Annotated[Wanted, Depends(_wanted_entries)]
"""A page of ledger entries: they have an index instead of an id."""


def rows_of(
    connection: Connection, table: Table, time: str, wanted: Wanted, *where: ColumnElement[bool]
) -> tuple[list[RowMapping], str | None]:
    """Return one page of a table with the columns `id` and `time`, newest first, and the next cursor."""
    at, identity = table.c[time], table.c.id
    conditions = list(where)
    if wanted.cursor is not None:
        moment, last = _read_cursor(wanted.cursor)
        conditions.append(or_(at < moment, and_(at == moment, identity < last)))
    if wanted.begins is not None:
        conditions.append(identity.startswith(_beginning(wanted.begins), autoescape=True))
    query = select(table).where(*conditions).order_by(at.desc(), identity.desc()).limit(wanted.limit + 1)
    rows = list(connection.execute(query).mappings().all())
    if len(rows) <= wanted.limit:
        return rows, None
    kept = rows[: wanted.limit]
    return kept, _write_cursor(kept[-1][time], kept[-1]["id"])


def index_cursor(wanted: Wanted) -> int:
    """Return the ledger index after which a page of entries begins."""
    if wanted.cursor is None:
        return -1
    if not (wanted.cursor.isascii() and wanted.cursor.isdigit()) or len(wanted.cursor) > len(str(2**53)):
        raise _bad_cursor()
    return int(wanted.cursor)


def _beginning(written: str) -> str:
    try:
        return normal_beginning(written)
    except IdInvalidError:
        return written


def _write_cursor(moment: datetime, identity: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([to_rfc3339(moment), identity]).encode()).decode("ascii")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        match json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True)):
            case [str() as moment, str() as identity]:
                return from_rfc3339(moment), identity
            case _:
                raise _bad_cursor()
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error


def _bad_cursor() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "cursor", "The cursor is not one that a page gave.", "Leave `cursor` out"
    )
