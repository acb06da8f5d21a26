"""What is queued for the writer, and what a unit may do while it runs."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from sqlalchemy import Connection

from grace.kit.attempt import Raised, Returned
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.store import Log, Page
from grace.record.store.engine import driver_connection

P = TypeVar("P")
T = TypeVar("T")


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

    @property
    def driver(self) -> sqlite3.Connection:
        return driver_connection(self.connection)

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


class Promise(Protocol):
    """Where the outcome of a job is told: a `Future`, or an `Awaited`."""

    def set_running_or_notify_cancel(self) -> bool:
        """Say whether the outcome is still wanted; from then on it is."""
        ...

    def done(self) -> bool: ...

    def set_result(self, result: Any, /) -> None: ...  # noqa: ANN401 - as of a Future of anything

    def set_exception(self, exception: BaseException, /) -> None: ...


class Awaited(Generic[T]):
    """A promise to one caller who waits for it and does nothing else: a sixth of what a `Future` costs."""

    __slots__ = ("_error", "_told", "_value")

    def __init__(self) -> None:
        self._told = threading.Lock()
        self._told.acquire()
        self._value: T | None = None
        self._error: BaseException | None = None

    def set_running_or_notify_cancel(self) -> bool:
        return True

    def done(self) -> bool:
        return not self._told.locked()

    def set_result(self, result: T, /) -> None:
        self._value = result
        self._told.release()

    def set_exception(self, exception: BaseException, /) -> None:
        self._error = exception
        self._told.release()

    def result(self) -> T:
        """Wait until it is told; raise what was told."""
        with self._told:
            pass
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


@dataclass(frozen=True, slots=True)
class Unit(Generic[P]):
    """Somebody's function, to be called inside the transaction."""

    promise: Promise
    deed: Callable[[UnitTransaction[P]], Any]
    alone: bool
    may_fail: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Append(Generic[P]):
    """Drafts to be appended and nothing else: a group of these may simply be written again."""

    promise: Promise
    prepared: tuple[P, ...]
    single: bool
    may_fail: bool
    alone: ClassVar[bool] = False


Job = Unit[P] | Append[P]
Outcome = Returned[Any] | Raised
