"""The mesh itself: subscribers with durable cursors, and live followers that keep no state."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from typing import Final

from grace.kit.attempt import Raised, attempt
from grace.kit.clock import Clock
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record import Journal
from grace.record.ledger.reading import LedgerReader
from grace.record.mesh.cursors import DeadLetter, dead_letters, saved_cursor
from grace.record.mesh.patterns import matching_types
from grace.record.mesh.worker import BATCH, RetryRule, Subscription, Worker

EVERYTHING: Final = ("*",)


class SubscriberUnknownError(LookupError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"There is no subscriber {name!r}. There are: {', '.join(sorted(known)) or 'none'}.")


class SubscriberStandsError(ValueError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"A subscriber {name!r} is there already; each needs a name of its own, for its cursor.")


class Mesh:
    """Deliver what is committed: tell it with `notice` after each commit, close it before the record."""

    def __init__(
        self, journal: Journal, reader: LedgerReader, clock: Clock, known_types: Collection[EventType] = EventType
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._known_types = known_types
        self._lock = threading.Lock()
        self._committed = reader.size() - 1
        self._workers: dict[str, Worker] = {}
        self._wakers: set[Callable[[], object]] = set()

    def subscribe(
        self,
        name: str,
        patterns: Iterable[str],
        deliver: Callable[[LedgerEntry], None],
        *,
        begins_at: int | None = None,
        rule: RetryRule | None = None,
    ) -> None:
        """Start delivering in a thread of the subscriber's own, from where its cursor stands.

        A subscriber seen for the first time begins at the index `begins_at`, or with whatever comes next.
        """
        subscription = Subscription(name, matching_types(patterns, self._known_types), deliver, rule or RetryRule())
        with self._reader.read() as connection:
            saved = saved_cursor(connection, name)
        with self._lock:
            if name in self._workers:
                raise SubscriberStandsError(name)
            first = self._committed if begins_at is None else begins_at - 1
            delivered = first if saved is None else saved
            worker = Worker(subscription, delivered, self._journal, self._reader, self._clock)
            self._workers[name] = worker
            worker.notice(self._committed)
        worker.start()

    def notice(self, highest: int) -> None:
        """Tell that entries up to this index are committed; returns at once."""
        with self._lock:
            if highest <= self._committed:
                return
            self._committed = highest
            workers, wakers = tuple(self._workers.values()), tuple(self._wakers)
        for worker in workers:
            worker.notice(highest)
        for waker in wakers:
            if isinstance(attempt(waker), Raised):
                # Its event loop is closed: nobody follows there any more.
                self._forget(waker)

    def replay(self, name: str, from_index: int) -> None:
        """Deliver again to one subscriber from this index on."""
        self._worker(name).rewind(from_index)

    def delivered(self, name: str) -> int:
        """Return the highest index a subscriber is done with."""
        return self._worker(name).delivered

    def wait_delivered(self, name: str, index: int, timeout_s: float) -> bool:
        return self._worker(name).wait_delivered(index, timeout_s)

    def dead_letters(self, name: str | None = None) -> tuple[DeadLetter, ...]:
        with self._reader.read() as connection:
            return dead_letters(connection, name)

    async def follow(
        self, patterns: Iterable[str] = EVERYTHING, after: int | None = None
    ) -> AsyncGenerator[LedgerEntry]:
        """Yield entries above `after` (default: those to come) in order, for as long as the caller listens.

        Nothing is buffered: a slow listener reads later from the log, and misses nothing.
        """
        types = matching_types(patterns, self._known_types)
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def waker() -> object:
            return loop.call_soon_threadsafe(grown.set)

        with self._lock:
            position = self._committed if after is None else after
            self._wakers.add(waker)
        try:
            while True:
                grown.clear()
                batch = await asyncio.to_thread(self._page, types, position)
                for entry in batch:
                    yield entry
                    position = entry.index
                if not batch:
                    await grown.wait()
        finally:
            self._forget(waker)

    def close(self) -> None:
        """Let every delivery under way end, save the cursors, and stop."""
        for worker in tuple(self._workers.values()):
            worker.close()

    def _page(self, types: frozenset[EventType], after: int) -> list[LedgerEntry]:
        return list(self._reader.entries(after, types=types, limit=BATCH))

    def _forget(self, waker: Callable[[], object]) -> None:
        with self._lock:
            self._wakers.discard(waker)

    def _worker(self, name: str) -> Worker:
        with self._lock:
            worker = self._workers.get(name)
            if worker is None:
                raise SubscriberUnknownError(name, self._workers)
            return worker
