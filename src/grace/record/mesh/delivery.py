"""The mesh itself: subscribers with durable cursors, and live followers that keep no state."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from grace.kit.attempt import Raised, attempt
from grace.kit.clock import Clock
from grace.kit.ids import new_id
from grace.kit.lasting import LastingThread
from grace.model.events import PAYLOADS, DeadLettersChanged, EventType, SubscriberChanged
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.noun import Noun
from grace.record import Journal, Transaction
from grace.record.ledger.reading import LedgerReader
from grace.record.mesh.books import BATCH, Books
from grace.record.mesh.cursors import (
    Cursor,
    DeadLetter,
    dead_letter_counts,
    dead_letters,
    discard,
    requeue,
    save_cursor,
    save_disabled,
    saved_cursor,
)
from grace.record.mesh.patterns import matching_types
from grace.record.mesh.registry import require_complete
from grace.record.mesh.subscription import Progress, RetryRule, Subscription
from grace.record.mesh.worker import Worker
from grace.record.store import Added

EVERYTHING: Final = ("*",)
_BREATH_S: Final = 0.02
"""How long a follower rests between two looks at the log: a hundred commits a second are not a hundred looks."""
DRAIN_S: Final = 10.0
"""How long deliveries under way may take when the mesh closes."""


class SubscriberUnknownError(LookupError):
    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        super().__init__(f"There is no subscriber {name!r}. There are: {', '.join(sorted(known)) or 'none'}.")


class SubscriberStandsError(ValueError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"A subscriber {name!r} is there already; each needs a name of its own, for its cursor.")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Of which run or incident a follower wants entries; None: of all."""

    run_id: str | None = None
    incident_id: str | None = None


ALL: Final = Narrowing()


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing for a follower came for a while; all up to this index is not for it."""

    index: int


class Mesh:
    """Deliver what is committed: tell it with `notice` after each commit, close it before the record."""

    def __init__(
        self, journal: Journal, reader: LedgerReader, clock: Clock, known_types: Collection[EventType] = EventType
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        require_complete(known_types, PAYLOADS)
        self._known_types = known_types
        self._lock = threading.Lock()
        self._committed = reader.size() - 1
        self._workers: dict[str, Worker] = {}
        self._wakers: set[Callable[[], object]] = set()

    def subscribe(  # noqa: PLR0913 - all but what each subscriber has are said by their names
        self,
        name: str,
        patterns: Iterable[str],
        deliver: Callable[[LedgerEntry], None],
        *,
        begins_at: int | None = None,
        rule: RetryRule | None = None,
        concurrency: int = 1,
        timeout_s: float | None = 60.0,
        heeds: Callable[[], bool] | None = None,
    ) -> None:
        """Start delivering in threads of the subscriber's own, from where its cursor stands.

        A subscriber seen for the first time begins at the index `begins_at`, or with whatever comes next. What comes
        while `heeds` says no may be passed over.
        """
        types = matching_types(patterns, self._known_types)
        subscription = Subscription(name, types, deliver, rule or RetryRule(), concurrency, timeout_s)
        if heeds is not None:
            subscription = replace(subscription, heeds=heeds)
        with self._lock:
            if name in self._workers:
                raise SubscriberStandsError(name)
            first = self._committed if begins_at is None else begins_at - 1
        cursor = self._kept_cursor(name, first)
        with self._lock:
            books = Books(subscription, self._journal, self._reader)
            worker = Worker(books, cursor, self._clock)
            self._workers[name] = worker
            worker.notice(self._committed)
        worker.start()

    def notice_added(self, added: Added) -> None:
        """Tell what a commit added; returns at once. Who wants none of it is not woken."""
        self.notice(added.highest, added)

    def notice(self, highest: int, added: Added | None = None) -> None:
        """Tell that entries up to this index are committed; returns at once."""
        with self._lock:
            if highest <= self._committed:
                return
            self._committed = highest
            workers, wakers = tuple(self._workers.values()), tuple(self._wakers)
        for worker in workers:
            worker.notice(highest, added)
        for waker in wakers:
            if isinstance(attempt(waker), Raised):
                # Its event loop is closed: nobody follows there any more.
                self._forget(waker)

    def replay(self, name: str, from_index: int, by: str = "grace", reason: str = "") -> None:
        """Deliver again to one subscriber from this index on, which goes on the record."""
        worker, now = self._worker(name), self._clock.now()
        changed = SubscriberChanged(subscriber=name, delivered=from_index - 1, by=by, reason=reason)

        def unit(tx: Transaction) -> None:
            save_cursor(tx.connection, name, from_index - 1, now)
            tx.append(_draft(EventType.SUBSCRIBER_REWOUND, changed, by))

        self._journal.run(unit)
        worker.rewind(from_index)

    def enable(self, name: str, by: str, reason: str = "") -> bool:
        """Deliver again to a subscriber that was gone; say whether it was."""
        worker, now = self._worker(name), self._clock.now()
        delivered = worker.delivered
        changed = SubscriberChanged(subscriber=name, delivered=delivered, by=by, reason=reason)
        if worker.progress().disabled_why is None:
            return False

        def unit(tx: Transaction) -> None:
            save_disabled(tx.connection, name, delivered, now, None)
            tx.append(_draft(EventType.SUBSCRIBER_ENABLED, changed, by))

        self._journal.run(unit)
        worker.enable()
        return True

    def delivered(self, name: str) -> int:
        """Return the highest index up to which a subscriber is done with everything."""
        return self._worker(name).delivered

    def wait_delivered(self, name: str, index: int, timeout_s: float) -> bool:
        return self._worker(name).wait_delivered(index, timeout_s)

    def threads(self) -> tuple[LastingThread, ...]:
        """Return every thread that delivers at the moment."""
        with self._lock:
            workers = tuple(self._workers.values())
        return tuple(thread for worker in workers for thread in worker.threads())

    def progress(self) -> tuple[tuple[Progress, int], ...]:
        """Return how far each subscriber is, by name, each with its number of dead letters."""
        with self._lock:
            workers = sorted(self._workers.items())
        with self._reader.read() as connection:
            dead = dead_letter_counts(connection)
        return tuple((worker.progress(), dead.get(name, 0)) for name, worker in workers)

    def dead_letters(
        self, name: str | None = None, after: tuple[str, int] = ("", -1), limit: int | None = None
    ) -> tuple[DeadLetter, ...]:
        """Return refused entries in order of subscriber and index, from behind `after` on."""
        with self._reader.read() as connection:
            return dead_letters(connection, name, after, limit)

    def requeue(self, name: str, indexes: Sequence[int] | None, by: str = "grace", reason: str = "") -> tuple[int, ...]:
        """Offer dead letters (None: all) to their subscriber again, behind what it has to do; return which."""
        worker, now = self._worker(name), self._clock.now()

        def unit(tx: Transaction) -> tuple[int, ...]:
            found = requeue(tx.connection, name, indexes, now)
            if found:
                changed = DeadLettersChanged(subscriber=name, indexes=found, by=by, reason=reason)
                tx.append(_draft(EventType.DEAD_LETTERS_REQUEUED, changed, by))
            return found

        found = self._journal.run(unit)
        worker.notice_letters()
        return found

    def discard(self, name: str, indexes: Sequence[int] | None, by: str, reason: str) -> tuple[int, ...]:
        """Give dead letters (None: all) up for good, also of a subscriber that is no more; return which."""

        def unit(tx: Transaction) -> tuple[int, ...]:
            found = discard(tx.connection, name, indexes)
            if found:
                changed = DeadLettersChanged(subscriber=name, indexes=found, by=by, reason=reason)
                tx.append(_draft(EventType.DEAD_LETTERS_DISCARDED, changed, by))
            return found

        found = self._journal.run(unit)
        with self._lock:
            worker = self._workers.get(name)
        if worker is not None:
            worker.notice_letters(found)
        return found

    async def follow(
        self, patterns: Iterable[str] = EVERYTHING, after: int | None = None
    ) -> AsyncGenerator[LedgerEntry]:
        """Yield entries above `after` (default: those to come) in order, for as long as the caller listens.

        Nothing is buffered: a slow listener reads later from the log, and misses nothing.
        """
        async with aclosing(self.watch(patterns, after)) as watching:
            async for seen in watching:
                if isinstance(seen, LedgerEntry):
                    yield seen

    async def watch(
        self,
        patterns: Iterable[str] = EVERYTHING,
        after: int | None = None,
        narrowing: Narrowing = ALL,
        beat_s: float | None = None,
    ) -> AsyncGenerator[LedgerEntry | Passed]:
        """Follow, and with a beat be told after so much silence how far the log was seen."""
        types = matching_types(patterns, self._known_types)
        loop, grown = asyncio.get_running_loop(), asyncio.Event()

        def waker() -> object:
            return loop.call_soon_threadsafe(grown.set)

        with self._lock:
            position = self._committed if after is None else after
            self._wakers.add(waker)
        heard_at = self._clock.monotonic()
        try:
            while True:
                grown.clear()
                committed = self._committed
                batch = await asyncio.to_thread(self._page, types, position, narrowing)
                for entry in batch:
                    yield entry
                    position = entry.index
                if batch:
                    heard_at = self._clock.monotonic()
                if len(batch) == BATCH:
                    continue
                position = max(position, committed)
                await self._clock.wait(_BREATH_S)
                left_s = None if beat_s is None else heard_at + beat_s - self._clock.monotonic()
                if not await _set_within(grown, left_s):
                    yield Passed(position)
                    heard_at = self._clock.monotonic()
        finally:
            self._forget(waker)

    def close(self, drain_s: float = DRAIN_S) -> tuple[str, ...]:
        """Let deliveries under way end within `drain_s`, save the cursors, and stop; return who was not done in time.

        What was not done in time is delivered again after the next start.
        """
        workers = tuple(self._workers.values())
        for worker in workers:
            worker.begin_closing()
        until = self._clock.monotonic() + drain_s
        return tuple(
            worker.subscription.name
            for worker in workers
            if not worker.close(max(0.0, until - self._clock.monotonic()))
        )

    def _page(self, types: frozenset[EventType], after: int, narrowing: Narrowing) -> list[LedgerEntry]:
        run_id, incident_id = narrowing.run_id, narrowing.incident_id
        return list(self._reader.entries(after, types=types, run_id=run_id, incident_id=incident_id, limit=BATCH))

    def _kept_cursor(self, name: str, first: int) -> Cursor:
        """Return where a subscriber stands; where a new one begins is kept at once, or a restart would move it."""
        with self._reader.read() as connection:
            saved = saved_cursor(connection, name)
        if saved is not None:
            return saved
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            save_cursor(tx.connection, name, first, now)

        self._journal.run(unit)
        return Cursor(first)

    def _forget(self, waker: Callable[[], object]) -> None:
        with self._lock:
            self._wakers.discard(waker)

    def _worker(self, name: str) -> Worker:
        with self._lock:
            worker = self._workers.get(name)
            if worker is None:
                raise SubscriberUnknownError(name, self._workers)
            return worker


async def _set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for the event; say whether it came in time: never, where the time is over already."""
    if seconds is not None and seconds <= 0:
        return False
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _draft(kind: EventType, changed: Noun, by: str) -> Draft:
    return Draft(key=new_id("mesh"), type=kind, actor=by, payload=changed.to_json())
