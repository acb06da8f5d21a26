"""Safe points: between two deeds, a run looks whether somebody asked it to stop."""

from __future__ import annotations

import asyncio

from grace.act.healing import Halts
from grace.act.healing.story import Stop, Story, read
from grace.model.events import CancelRequested
from grace.model.settlement import AbortReason, SettlementKind


class SafePoints:
    """Reads cancellation and halt from the record."""

    def __init__(self, halts: Halts) -> None:
        self._halts = halts

    async def aborts(self, story: Story) -> Stop | None:
        """Return how a run that has written nothing yet ends here, or None."""
        return await asyncio.to_thread(self.read, story)

    def read(self, story: Story) -> Stop | None:
        """Do so from a thread that may block."""
        entry = story.reader.find(story.key("cancel"))
        if entry is not None:
            cancelled = read(entry, CancelRequested)
            said = f"{cancelled.by} cancelled it" + (f": {cancelled.reason}" if cancelled.reason else "")
            return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.CANCELLED, sentence=said)
        if self._halts.is_halted(story.run.service):
            sentence = f"a halt stops new deeds for {story.run.service}"
            return Stop(kind=SettlementKind.ABORTED, reason=AbortReason.HALTED, sentence=sentence)
        return None
