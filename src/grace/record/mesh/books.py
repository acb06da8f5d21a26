"""What one subscriber has in the record: its cursor, its dead letters, and the entries that come next."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.kit.attempt import Raised, attempt
from grace.kit.ids import new_id
from grace.model.events import EventType, SubscriberChanged
from grace.model.ledger_entry import Draft
from grace.record import Journal, Transaction
from grace.record.ledger.reading import LedgerReader
from grace.record.mesh.agenda import Pointer
from grace.record.mesh.cursors import (
    DeadLetter,
    discard,
    letter_indexes,
    pointers,
    requeued,
    save_cursor,
    save_dead_letter,
    save_disabled,
)
from grace.record.mesh.subscription import Subscription
from grace.record.store.writer import WriterBusyError, WriterClosedError

BATCH: Final = 100
"""How many entries are looked up at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be looked up."""

    after: int
    highest: int
    """What is committed for certain; what comes meanwhile is for the next time."""
    has_letters: bool
    has_room: bool

    def reached(self, found: tuple[Pointer, ...]) -> int:
        """Return up to where everything that is wanted was found."""
        if not self.has_room:
            return self.after
        last = found[-1].index if found else self.after
        return last if len(found) == BATCH else max(self.highest, last)


@dataclass(frozen=True, slots=True)
class Books:
    """Reads and writes for one subscriber."""

    subscription: Subscription
    journal: Journal
    reader: LedgerReader

    def look_up(self, reading: Reading) -> tuple[tuple[Pointer, ...], tuple[Pointer, ...]]:
        """Return the letters that were requeued, and the entries that come next."""
        name, types = self.subscription.name, self.subscription.types
        letters: tuple[Pointer, ...] = ()
        if reading.has_letters:
            with self.reader.read() as connection:
                letters = requeued(connection, name)
        if not reading.has_room:
            return letters, ()
        with self.reader.statement() as driver:
            return letters, pointers(driver, types, reading.after, BATCH)

    def deliver(self, pointer: Pointer) -> None:
        """Deliver an entry as it is now: since it lined up, its payload may have been erased."""
        entry = self.reader.entry(pointer.index)
        if entry is not None:
            self.subscription.deliver(entry)

    def dead(self) -> frozenset[int]:
        """Return which entries are dead letters."""
        with self.reader.read() as connection:
            return letter_indexes(connection, self.subscription.name)

    def oldest_after(self, index: int) -> datetime | None:
        """Return when the first entry after this one was written that the subscriber wants."""
        oldest = next(self.reader.entries(index, types=self.subscription.types, limit=1), None)
        return None if oldest is None else oldest.at

    def save(self, delivered: int, at: datetime) -> None:
        """Queue the cursor to be written; losing it only means delivering again."""
        self._submit(lambda tx: save_cursor(tx.connection, self.subscription.name, delivered, at), may_wait=True)

    def bury(self, index: int, why: str, at: datetime) -> bool:
        """Keep a dead letter; say whether that could be written."""
        letter = DeadLetter(self.subscription.name, index, self.subscription.rule.attempts, why, at)

        def unit(tx: Transaction) -> None:
            save_dead_letter(tx.connection, letter)

        return not isinstance(attempt(lambda: self.journal.run(unit)), Raised)

    def dig_up(self, index: int) -> None:
        """Drop a dead letter that was delivered after all."""
        self._submit(lambda tx: discard(tx.connection, self.subscription.name, [index]))

    def disable(self, delivered: int, why: str, at: datetime) -> None:
        """Keep that the subscriber is gone, on the record."""
        name, key = self.subscription.name, new_id("mesh")
        changed = SubscriberChanged(subscriber=name, delivered=delivered, by="grace", reason=why)
        draft = Draft(key=key, type=EventType.SUBSCRIBER_DISABLED, actor="grace", payload=changed.to_json())

        def unit(tx: Transaction) -> None:
            save_disabled(tx.connection, name, delivered, at, why)
            tx.append(draft)

        self._submit(unit)

    def _submit(self, unit: Callable[[Transaction], object], *, may_wait: bool = False) -> None:
        with suppress(WriterBusyError, WriterClosedError):
            self.journal.submit(unit, may_wait=may_wait)
