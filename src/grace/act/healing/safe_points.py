"""Safe points: between two deeds, a run looks whether somebody asked it to stop."""

from __future__ import annotations

import asyncio

from grace.act.healing import Halts
from grace.act.healing.story import Stop, Story, read
from grace.model.events import CancelRequested
from grace.model.ledger_entry import LedgerEntry
from grace.model.settlement import AbortReason, SettlementKind


class SafePoints:
    """Reads cancellation and halt from the record."""

    def __init__(self, halts: Halts) -> None:
        self._halts = halts

    async def aborts(self, story: Story) -> Stop | None:
        """Return how a run that has written nothing yet ends here, or None."""
        return await asyncio.to_thread(self.read, story)

    def cancelled(self, entry: LedgerEntry | None) -> Stop | None:
        """Return what the entry of a cancellation says, None where there is none."""
        if entry is None:
            return None
        asked = read(entry, CancelRequested)
        said = f"{asked.by} cancelled it" + (f": {asked.reason}" if asked.reason else "")
        return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.CANCELLED, sentence=said)

    def read(self, story: Story) -> Stop | None:
        """Do so from a thread that may block."""
        cancelled = self.cancelled(story.reader.find(story.key("cancel")))
        if cancelled is not None:
            return cancelled
        if self._halts.is_halted(story.run.service):
            sentence = f"a halt stops new deeds for {story.run.service}"
            return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.HALTED, sentence=sentence)
        return None
