"""What is queued for the writer, and what a unit may do while it runs."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from grace.kit.attempt import Raised, Returned
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.store import Log, Page

P = TypeVar("P")


class UnitMisbehavedError(RuntimeError):
    """A unit ended the writer's transaction itself, or used it after its end."""


class UnitTransaction(Generic[P]):
    """What a unit may do; valid only while it runs."""

    def __init__(self, connection: Connection, log: Log[P], page: Page[P]) -> None:
        self._connection: Connection | None = connection
        self._log = log
        self._page = page

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            message = "A unit's transaction ends with the unit; submit another unit."
            raise UnitMisbehavedError(message)
        return self._connection

    def append(self, draft: Draft) -> LedgerEntry:
        self._require_open()
        (prepared,) = self._log.prepare((draft,))
        return self._page.append(prepared)

    def find(self, key: str) -> LedgerEntry | None:
        self._require_open()
        return self._page.find(key)

    def end(self) -> None:
        self._connection = None

    def _require_open(self) -> None:
        _ = self.connection


@dataclass(frozen=True, slots=True)
class Unit(Generic[P]):
    """Somebody's function, to be called inside the transaction."""

    future: "Future[Any]"
    deed: Callable[[UnitTransaction[P]], Any]
    alone: bool


@dataclass(frozen=True, slots=True)
class Append(Generic[P]):
    """Drafts to be appended and nothing else: a group of these may simply be written again."""

    future: "Future[Any]"
    prepared: tuple[P, ...]
    single: bool
    may_fail: bool


Job = Unit[P] | Append[P]
Outcome = Returned[Any] | Raised
