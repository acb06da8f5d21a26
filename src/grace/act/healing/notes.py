"""Where an executor notes what it needs to be found again: durable before the deed goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue
from sqlalchemy import text

from grace.act.healing.story import Past, Story, read
from grace.act.safehold import Vault
from grace.model.events import EventType, StepNoted
from grace.record import Reader

_MOST_NOTES = 64


class Notes:
    """The journal of one attempt at one step; its notes follow those that stand already."""

    def __init__(
        self, story: Story, vault: Vault, stage: str, step_id: str, earlier: Mapping[str, JsonValue] | None = None
    ) -> None:
        self._story = story
        self._vault = vault
        self._stage = stage
        self._step_id = step_id
        self._earlier = dict(earlier or {})
        self._count = sum(1 for _ in _standing(story, stage))

    def note(self, handle: Mapping[str, JsonValue]) -> None:
        """Return only when the handle is on disk."""
        self._count += 1
        noted = StepNoted(run_id=self._story.run.id, step_id=self._step_id, handle=dict(handle))
        self._story.note(self._story.draft(f"{self._stage}/{self._count}", EventType.STEP_NOTED, noted))

    def keep(self, content: bytes) -> str:
        """Put bytes into the vault, durably; return their address."""
        return self._vault.put(content)

    def fetch(self, address: str) -> bytes:
        """Return what `keep` stored."""
        return self._vault.get(address)

    def earlier(self) -> Mapping[str, JsonValue]:
        """Return what interrupted attempts at this same deed noted, later notes over earlier ones; else nothing."""
        return self._earlier


def handle_of(past: Past, stage: str) -> dict[str, JsonValue] | None:
    """Return everything that was noted under a stage, later notes over earlier ones; None when nothing was."""
    merged: dict[str, JsonValue] = {}
    for noted in _standing(past, stage):
        merged |= noted.handle
    return merged or None


def handles_under_way(reader: Reader) -> list[Mapping[str, JsonValue]]:
    """Return everything that the runs noted which are not settled: what a recovery may still ask for."""
    with reader.read() as connection:
        rows = connection.execute(text("SELECT id FROM runs WHERE settlement IS NULL")).all()
    entries = (entry for row in rows for entry in reader.entries(types=[EventType.STEP_NOTED], run_id=str(row[0])))
    return [read(entry, StepNoted).handle for entry in entries if entry.payload is not None]


def _standing(past: Past, stage: str) -> Iterator[StepNoted]:
    for number in range(1, _MOST_NOTES + 1):
        noted = past.standing(f"{stage}/{number}", StepNoted)
        if noted is None:
            return
        yield noted
