"""One subscriber's own thread: in order, at least once, and nobody else waits for it."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from grace.kit.attempt import Raised, attempt
from grace.kit.clock import Clock, sleep_unless
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.record import Journal, Transaction
from grace.record.ledger.reading import LedgerReader
from grace.record.mesh.cursors import DeadLetter, save_cursor, save_dead_letter
from grace.record.store.writer import WriterBusyError, WriterClosedError

BATCH: Final = 100
UNSAVED: Final = 1_000
"""How many entries that a subscriber does not want may pass before its cursor is saved: each save is a full sync."""
_LONGEST_ERROR: Final = 2_000


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how patiently a refused entry is offered again before it becomes a dead letter."""

    attempts: int = 5
    first_delay_s: float = 0.2
    factor: float = 3.0
    longest_delay_s: float = 30.0

    def delay_s(self, failed: int) -> float:
        """Return the pause after the nth failed attempt (from 1)."""
        return min(self.longest_delay_s, self.first_delay_s * self.factor ** (failed - 1))


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants which entries. `deliver` may raise and may be slow; it must bear to see an entry twice."""

    name: str
    types: frozenset[EventType]
    deliver: Callable[[LedgerEntry], None]
    rule: RetryRule


class Worker:
    """Deliver to one subscriber until closed."""

    def __init__(
        self, subscription: Subscription, delivered: int, journal: Journal, reader: LedgerReader, clock: Clock
    ) -> None:
        self.subscription = subscription
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._changed = threading.Condition()
        self._delivered = delivered
        self._saved = delivered
        self._took_some = False
        self._committed = delivered
        self._rewind_to: int | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name=f"grace-mesh-{subscription.name}", daemon=True)

    @property
    def delivered(self) -> int:
        """The highest index this subscriber is done with."""
        return self._delivered

    def start(self) -> None:
        self._thread.start()

    def notice(self, highest: int) -> None:
        with self._changed:
            self._committed = max(self._committed, highest)
            self._changed.notify_all()

    def rewind(self, from_index: int) -> None:
        """Deliver again from this index on, as soon as the delivery under way has ended."""
        with self._changed:
            self._rewind_to = from_index - 1
            self._changed.notify_all()

    def wait_delivered(self, index: int, timeout_s: float) -> bool:
        """Wait until this subscriber is done with `index`; say whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._rewind_to is None and self._delivered >= index, timeout_s)

    def close(self) -> None:
        """End after the delivery under way, with the cursor saved."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _serve(self) -> None:
        while self._wait_for_work():
            self._deliver_batch()
            if self._took_some or self._delivered - self._saved >= UNSAVED:
                self._save()
        if self._delivered != self._saved:
            self._save()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._is_interrupted() or self._committed > self._delivered)
            if self._rewind_to is not None:
                self._delivered, self._rewind_to = self._rewind_to, None
            return not self._closing

    def _deliver_batch(self) -> None:
        committed, subscription = self._committed, self.subscription
        batch = list(self._reader.entries(self._delivered, types=subscription.types, limit=BATCH))
        for entry in batch:
            if self._is_interrupted() or not self._deliver(entry):
                return
            self._took_some = True
            self._advance(entry.index)
        if len(batch) < BATCH:
            # Nothing up to here is left that this subscriber wants.
            self._advance(max(committed, self._delivered))

    def _deliver(self, entry: LedgerEntry) -> bool:
        """Offer an entry until it is taken or dead; say no only when interrupted before either."""
        rule = self.subscription.rule
        for failed in range(1, rule.attempts + 1):
            outcome = attempt(lambda: self.subscription.deliver(entry))
            if not isinstance(outcome, Raised):
                return True
            if failed == rule.attempts:
                return self._bury(entry, outcome.error)
            if sleep_unless(self._clock, rule.delay_s(failed), self._is_interrupted):
                return False
        return False

    def _bury(self, entry: LedgerEntry, error: Exception) -> bool:
        """Keep a dead letter; while even that cannot be written the entry is not given up."""
        letter = DeadLetter(
            subscriber=self.subscription.name,
            index=entry.index,
            attempts=self.subscription.rule.attempts,
            error=f"{type(error).__name__}: {error}"[:_LONGEST_ERROR],
            at=self._clock.now(),
        )

        def unit(tx: Transaction) -> None:
            save_dead_letter(tx.connection, letter)

        while isinstance(attempt(lambda: self._journal.run(unit)), Raised):
            if sleep_unless(self._clock, self.subscription.rule.longest_delay_s, self._is_interrupted):
                return False
        return True

    def _save(self) -> None:
        """Queue the cursor to be written; losing it only means delivering again."""
        name, delivered, now = self.subscription.name, self._delivered, self._clock.now()
        self._saved, self._took_some = delivered, False

        def unit(tx: Transaction) -> None:
            save_cursor(tx.connection, name, delivered, now)

        with suppress(WriterBusyError, WriterClosedError):
            self._journal.submit(unit)

    def _advance(self, index: int) -> None:
        with self._changed:
            self._delivered = index
            self._changed.notify_all()

    def _is_interrupted(self) -> bool:
        return self._closing or self._rewind_to is not None
