"""Safe points: between two deeds, a run looks whether somebody asked it to stop."""

from __future__ import annotations

import sqlite3

from grace.act.healing import Halts
from grace.act.healing.story import Stop, Story, read
from grace.model.events import CancelRequested
from grace.model.ledger_entry import LedgerEntry
from grace.model.settlement import AbortReason, SettlementKind
from grace.record import Transaction
from grace.record.reading import find_among


class SafePoints:
    """Reads cancellation and halt from the record."""

    def __init__(self, halts: Halts) -> None:
        self._halts = halts

    def cancelled(self, entry: LedgerEntry | None) -> Stop | None:
        """Return what the entry of a cancellation says, None where there is none."""
        if entry is None:
            return None
        asked = read(entry, CancelRequested)
        said = f"{asked.by} cancelled it" + (f": {asked.reason}" if asked.reason else "")
        return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.CANCELLED, sentence=said)

    def read(self, story: Story) -> Stop | None:
        """Return how a run that has written nothing yet ends here, or None; from a thread that may block."""
        key = story.key("cancel")
        with story.reader.state() as driver:
            return self._stop(story, find_among(driver, [key])(key), driver)

    def read_in(self, tx: Transaction, story: Story) -> Stop | None:
        """Return the same inside a transaction: whoever asks later asked for it after what this one writes."""
        return self._stop(story, tx.find(story.key("cancel")), tx.driver)

    def _stop(self, story: Story, cancel: LedgerEntry | None, driver: sqlite3.Connection) -> Stop | None:
        cancelled = self.cancelled(cancel)
        return cancelled or (_halted(story) if self._halts.is_halted_at(driver, story.run.service) else None)


def _halted(story: Story) -> Stop:
    sentence = f"a halt stops new deeds for {story.run.service}"
    return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.HALTED, sentence=sentence)
