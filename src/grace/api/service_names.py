"""Services by name: a name that nobody declared is refused, so that a misspelt one neither stops nor shows nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from sqlalchemy import Table, select

from grace.api.house import House
from grace.api.problems import ProblemError
from grace.kit.documents import nearest
from grace.record.store.tables import runs

_SHOWN: Final = 20


def require_declared(house: House, name: str, again: str) -> None:
    """Raise a 422 problem unless the service is declared, or an open run of it is left from when it was.

    `again` is what to try with the right name in the place of `{}`.
    """
    if not _is_declared(house, name) and not _is_on_record(house, name, runs, open_only=True):
        raise undeclared(house, name, again)


def require_known(house: House, name: str, table: Table, again: str) -> None:
    """Raise a 422 problem unless the service is declared, or the table remembers it from when it was."""
    if not _is_declared(house, name) and not _is_on_record(house, name, table):
        raise undeclared(house, name, again)


def _is_declared(house: House, name: str) -> bool:
    return any(service.name == name for service in house.declared.services())


def _is_on_record(house: House, name: str, table: Table, *, open_only: bool = False) -> bool:
    query = select(table.c.id).where(table.c.service == name).limit(1)
    if open_only:
        query = query.where(table.c.settlement.is_(None))
    with house.record.read() as connection:
        return connection.execute(query).first() is not None


def undeclared(house: House, name: str, again: str) -> ProblemError:
    """Return the problem that names the declared services, and what to try next."""
    names = sorted({service.name for service in house.declared.services()})
    close = nearest(name, names)
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "unknown-service",
        f"There is no service {name!r}; {_declared(names)}.",
        again.format(close) if close else "grace status",
    )


def _declared(names: list[str]) -> str:
    if not names:
        return "none is declared in grace.yaml"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"declared: {', '.join(names[:_SHOWN])}{more}"
