"""The one writer: many units, one durable commit.

Units queue up while the disk is busy with the group before them; the next group takes all that wait, so the cost of a
full sync is shared by whoever came meanwhile and nobody waits for company. Whoever would only wait for the result
commits the group in their own thread when no other does (flat combining), which spares two changes of thread. What is
submitted without waiting is committed by a thread of the writer's own.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Final, Generic, TypeVar

from sqlalchemy import Engine

from grace.kit.attempt import Raised, Returned, attempt
from grace.kit.clock import Clock, SystemClock
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.store import Added, Log
from grace.record.store.commit import GroupCommit, WriteFailedError
from grace.record.store.units import (
    Append,
    Awaited,
    Job,
    Outcome,
    Promise,
    Unit,
    UnitMisbehavedError,
    UnitTransaction,
)

__all__ = ["WriteFailedError", "Writer", "WriterBusyError", "WriterClosedError", "WriterInterruptedError"]

T = TypeVar("T")
P = TypeVar("P")

MOST_WAITING: Final = 10_000
LARGEST_GROUP: Final = 1_024
LONGEST_PATIENCE_S: Final = 1.0
"""So long what may wait lies here for another group to take it along."""


class WriterClosedError(RuntimeError):
    """The writer takes nothing more."""


class WriterBusyError(RuntimeError):
    """Too many units wait: the disk is slower than what comes in."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} writes wait for the disk; nothing was taken. Try again in a second.")


class WriterInterruptedError(RuntimeError):
    """The thread that wrote the group was told to stop; the group was written whole or not at all."""

    def __init__(self) -> None:
        super().__init__("The write was interrupted. Write it again: what stands already is returned.")


class Writer(Generic[P]):
    """Run units one after the other and hand out results after a commit with full sync."""

    def __init__(
        self, engine: Engine, log: Log[P], most_waiting: int = MOST_WAITING, clock: Clock | None = None
    ) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._connection = engine.connect()
        self._group = GroupCommit(self._connection, log)
        self._most_waiting = most_waiting
        self._waiting: deque[Job[P]] = deque()
        self._patient: deque[Job[P]] = deque()
        # Who only adds or takes holds the plain lock: entering a condition is a Python function.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = False
        self._closing = False
        self._turn = threading.Lock()
        self._leader: int | None = None
        self._listeners: list[Callable[[Added], None]] = []
        self._trouble: str | None = None
        self._troubled_at: datetime | None = None
        self._on_trouble: Callable[[str | None], None] = _told_nobody
        self._thread = threading.Thread(target=self._serve, name="grace-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Callable[[UnitTransaction[P]], T], *, may_wait: bool = False) -> "Future[T]":
        """Queue a unit; raise WriterBusyError or WriterClosedError when it cannot be taken.

        One that `may_wait` makes no commit of its own while another one comes within LONGEST_PATIENCE_S.
        """
        future: Future[T] = Future()
        if may_wait:
            self._lay_by(Unit(future, unit, alone=False))
        else:
            self._enqueue(Unit(future, unit, alone=False))
        return future

    def run(self, unit: Callable[[UnitTransaction[P]], T]) -> T:
        """Run a unit and wait for its commit."""
        awaited: Awaited[T] = Awaited()
        return self._wait(Unit(awaited, unit, alone=False), awaited)

    def run_alone(self, unit: Callable[[UnitTransaction[P]], T]) -> T:
        """Run a unit in a group of its own: it sees every entry before it in the tables."""
        awaited: Awaited[T] = Awaited()
        return self._wait(Unit(awaited, unit, alone=True), awaited)

    def submit_append(self, draft: Draft) -> "Future[LedgerEntry]":
        future: Future[LedgerEntry] = Future()
        self._enqueue(self._append_of(future, (draft,), single=True))
        return future

    def append(self, draft: Draft) -> LedgerEntry:
        awaited: Awaited[LedgerEntry] = Awaited()
        return self._wait(self._append_of(awaited, (draft,), single=True), awaited)

    def append_all(self, drafts: Collection[Draft]) -> Sequence[LedgerEntry]:
        awaited: Awaited[Sequence[LedgerEntry]] = Awaited()
        return self._wait(self._append_of(awaited, drafts, single=False), awaited)

    @property
    def is_alive(self) -> bool:
        """Tell whether anything can still be written: not after its end, and not when its thread broke."""
        return self._thread.is_alive() and not self._closing

    @property
    def trouble(self) -> str | None:
        """Why the newest group could not be written, in one sentence; None when it was."""
        return self._trouble

    @property
    def troubled_at(self) -> datetime | None:
        """When the newest group was tried that could not be written; None when it was. Nothing was tried since."""
        return self._troubled_at

    def on_trouble(self, listener: Callable[[str | None], None]) -> None:
        """Tell `listener` why writing fails when it begins to, and None when it works again; it must not write."""
        self._on_trouble = listener

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """Tell `listener` the highest committed index after each commit, in the committing thread: it must not wait."""
        self._listeners.append(lambda added: listener(added.highest))

    def on_added(self, listener: Callable[[Added], None]) -> None:
        """Tell `listener` what each commit added, in the committing thread: it must not wait."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Take nothing more, write what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _append_of(self, promise: Promise, drafts: Collection[Draft], *, single: bool) -> Append[P]:
        prepared = self._log.prepare(drafts)
        return Append(promise, prepared, single=single, may_fail=self._log.projects(prepared))

    def _wait(self, job: Job[P], awaited: Awaited[T]) -> T:
        """Commit the job in this thread when no other is committing, else wait for the one who does."""
        if self._leader == threading.get_ident():
            message = "A unit waits for the writer that runs it; use the transaction it was given."
            raise UnitMisbehavedError(message)
        self._enqueue(job, wake=False)
        if self._turn.acquire(blocking=False):
            try:
                self._lead_until(awaited)
            finally:
                self._turn.release()
        if not awaited.done() or self._waiting:
            self._wake()
        return awaited.result()

    def _enqueue(self, job: Job[P], *, wake: bool = True) -> None:
        with self._lock:
            self._require_room()
            self._waiting.append(job)
            if wake and self._idle:
                self._changed.notify()

    def _lay_by(self, job: Job[P]) -> None:
        with self._lock:
            self._require_room()
            self._patient.append(job)
            if self._idle and len(self._patient) == 1:
                self._changed.notify()

    def _require_room(self) -> None:
        if self._closing:
            message = "The record is closed; nothing was written. Start GRACE again."
            raise WriterClosedError(message)
        if len(self._waiting) + len(self._patient) >= self._most_waiting:
            raise WriterBusyError(len(self._waiting) + len(self._patient))

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _serve(self) -> None:
        try:
            while self._wait_for_work():
                with self._turn:
                    self._settle_next()
        finally:
            self._abandon()

    def _wait_for_work(self) -> bool:
        """Wait until something is to be written; say no only when the record closes and nothing is left."""
        with self._changed:
            self._idle = True
            while not self._waiting and not self._closing:
                in_time = self._changed.wait(LONGEST_PATIENCE_S if self._patient else None)
                # What was patient may have gone along with another's commit meanwhile: then there is nothing to do.
                if not in_time and self._patient:
                    break
            self._idle = False
            return bool(self._waiting or self._patient)

    def _lead_until(self, promise: Promise) -> None:
        while not promise.done() and self._settle_next():
            pass

    def _settle_next(self) -> bool:
        """Commit the next group, in the thread whose turn it is; say whether there was one."""
        jobs = self._next_group()
        self._leader = threading.get_ident()
        try:
            self._settle([job for job in jobs if job.promise.set_running_or_notify_cancel()])
        except BaseException:
            _interrupt(jobs)
            raise
        finally:
            self._leader = None
        return bool(jobs)

    def _next_group(self) -> list[Job[P]]:
        """Take all that waits, up to a group; a unit that must be alone is a group of its own."""
        group: list[Job[P]] = []
        with self._lock:
            if not self._waiting or not self._waiting[0].alone:
                # They came before the others, and stay before them.
                group.extend(self._patient)
                self._patient.clear()
            while self._waiting and len(group) < LARGEST_GROUP:
                alone = self._waiting[0].alone
                if alone and group:
                    break
                group.append(self._waiting.popleft())
                if alone:
                    break
        return group

    def _settle(self, jobs: list[Job[P]]) -> None:
        if not jobs:
            return
        match attempt(lambda: self._group.commit(jobs)):
            case Returned((outcomes, added)):
                if added is not None:
                    self._note_trouble(None)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    _tell(job.promise, outcome)
                if added is not None:
                    for listener in self._listeners:
                        listener(added)
            case Raised(error):
                self._note_trouble(str(error) if isinstance(error, WriteFailedError) else self._trouble)
                for job in jobs:
                    job.promise.set_exception(error)

    def _note_trouble(self, trouble: str | None) -> None:
        """Remember why writing fails, and tell once when it begins to fail and once when it works again."""
        turned, self._trouble = (trouble is None) != (self._trouble is None), trouble
        self._troubled_at = None if trouble is None else self._clock.now()
        if turned:
            self._on_trouble(trouble)

    def _abandon(self) -> None:
        """Refuse whatever still waits when the thread ends, so that nobody waits for ever."""
        with self._changed:
            self._closing = True
            left = [*self._waiting, *self._patient]
            self._waiting, self._patient = deque(), deque()
        for job in left:
            if job.promise.set_running_or_notify_cancel():
                job.promise.set_exception(WriterClosedError("The record closed before this was written."))
        with self._turn:
            self._connection.close()


def _told_nobody(_trouble: str | None) -> None:
    """Let a trouble be known to those alone who ask."""


def _tell(promise: Promise, outcome: Outcome) -> None:
    match outcome:
        case Returned(value):
            promise.set_result(value)
        case Raised(error):
            promise.set_exception(error)


def _interrupt(jobs: list[Job[P]]) -> None:
    """Tell everybody in a group that was interrupted, so that nobody waits for ever."""
    for job in jobs:
        if not job.promise.done():
            job.promise.set_exception(WriterInterruptedError())
