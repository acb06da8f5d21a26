"""The story of one run: each stage is written once, and whoever comes again reads what stands."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import JsonValue
from sqlalchemy import Connection

from grace.act.healing import Engine
from grace.kit.clock import Clock
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.noun import Noun
from grace.model.run import Run
from grace.model.settlement import AbortReason, SettlementKind
from grace.record import Journal, Reader, Transaction
from grace.record.store.writer import WriterBusyError, WriterClosedError

N = TypeVar("N", bound=Noun)
T = TypeVar("T")

LONGEST_HELD_S: Final = 0.1
"""So long a stage that only read may wait for the next one to be written with it."""


class Stop(Noun):
    """The run ends here: which settlement, and why in one sentence."""

    kind: SettlementKind
    reason: AbortReason | None = None
    sentence: str


class Stopped(Exception):
    """Raised by a stage before the first write: the run goes straight to its settlement."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        super().__init__(stop.sentence)


class ErasedError(RuntimeError):
    """A stage's payload was erased while its run was still open."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The entry {key} was erased while its run is open; settle it by hand: `grace undo` or `grace keep`."
        )


class StageLostError(RuntimeError):
    """Another value stands for a stage than the one that later stages were made from; nothing follows it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The entry {key} does not stand as it was made; the run goes on from the ledger.")


@dataclass(frozen=True, slots=True)
class Past:
    """What stands of one run, read from the ledger once."""

    run: Run
    known: dict[str, LedgerEntry]

    def key(self, stage: str) -> str:
        """Return the key under which a stage's entry stands."""
        return f"{self.run.id}/{stage}"

    def standing(self, stage: str, noun: type[N]) -> N | None:
        """Return what stands for a stage, or None."""
        entry = self.known.get(self.key(stage))
        return None if entry is None else read(entry, noun)

    def has(self, stage: str) -> bool:
        """Tell whether an entry stands for a stage."""
        return self.key(stage) in self.known


def beginning(opened: LedgerEntry) -> Past:
    """Return what stands of a run that was opened just now."""
    return Past(read(opened, Run), {opened.key: opened})


async def past_of(run_id: str, reader: Reader) -> Past | None:
    """Read back a run, None when the ledger does not know it."""
    entries = await asyncio.to_thread(lambda: tuple(reader.entries(run_id=run_id)))
    known = {entry.key: entry for entry in entries}
    opened = known.get(f"{run_id}/opened")
    return None if opened is None else Past(read(opened, Run), known)


@dataclass(frozen=True, slots=True)
class Story(Past):
    """A run that goes on: its past, the record it is written to, and the engine that carries it.

    Nobody else writes the stages of a run, so what was read at its opening and written since is all that stands.
    What a stage that only reads has found is held, and written in front of whatever is written next, in one
    transaction. So nothing on the record, and no deed, was ever made from something that is not on the record.
    """

    journal: Journal
    reader: Reader
    engine: Engine
    clock: Clock
    _held: dict[str, Draft] = field(default_factory=dict[str, Draft])
    _read: dict[str, Noun] = field(default_factory=dict[str, Noun])

    def standing(self, stage: str, noun: type[N]) -> N | None:
        """Return what stands for a stage, or is held for the next write, or None."""
        key = self.key(stage)
        value = self._read.get(key)
        if not isinstance(value, noun):
            held = self._held.get(key)
            value = Past.standing(self, stage, noun) if held is None else noun.from_json(held.payload)
            if value is not None:
                self._read[key] = value
        return value

    def has(self, stage: str) -> bool:
        """Tell whether an entry stands for a stage or is held for the next write."""
        return self.key(stage) in self._held or Past.has(self, stage)

    def draft(self, stage: str, type_: EventType, payload: Noun, actor: str = "grace") -> Draft:
        """Return a draft for one stage of this run."""
        run = self.run
        return Draft.telling(
            payload,
            {
                "key": self.key(stage),
                "type": type_,
                "actor": actor,
                "run_id": run.id,
                "incident_id": run.incident_id,
                "service": run.service,
            },
        )

    def note(self, draft: Draft) -> LedgerEntry:
        """Append from a plug's thread and wait for the commit."""
        entry = self.journal.append(draft)
        self.known[entry.key] = entry
        return entry

    async def write(self, *drafts: Draft) -> tuple[LedgerEntry, ...]:
        """Append in one durable transaction; return the entries that stand."""
        return await self.unit(lambda tx: tuple(tx.append(draft) for draft in drafts))

    async def unit(self, unit: Callable[[Transaction], T]) -> T:
        """Run one unit of the writer, behind all that is held, and wait for its commit without blocking the loop."""
        whole, stands = self._behind_what_is_held(unit)
        value = await asyncio.wrap_future(self.journal.submit(whole))
        stands()
        return value

    def unit_here(self, unit: Callable[[Transaction], T]) -> T:
        """Do the same from a thread that may block: it is committed in that thread where no other commits."""
        whole, stands = self._behind_what_is_held(unit)
        value = self.journal.run(whole)
        stands()
        return value

    def _behind_what_is_held(
        self, unit: Callable[[Transaction], T]
    ) -> tuple[Callable[[Transaction], T], Callable[[], None]]:
        """Return the whole unit, and what is to be called once it is committed."""
        held, appended = tuple(self._held.copy().values()), list[LedgerEntry]()

        def whole(tx: Transaction) -> T:
            appended.extend(_as_made(tx, draft) for draft in held)
            return unit(_Noting(tx, appended))

        def stands() -> None:
            self.known.update((entry.key, entry) for entry in appended)
            for draft in held:
                self._held.pop(draft.key, None)

        return whole, stands

    async def stand(self) -> None:
        """Return when everything that this run has found is on disk: before a deed, and before anyone is told."""
        if self._held:
            await self.unit(lambda _: None)

    async def stage(
        self,
        name: str,
        type_: EventType,
        noun: type[N],
        compute: Callable[[], Awaitable[N | Stop]],
        *,
        only_reads: bool = False,
    ) -> N:
        """Return what stands for the stage, else compute it, write it, and return what stands then.

        What a stage that `only_reads` has found may be lost in a crash, together with all that followed from it, and is
        then found again: it is held until the next write, or for LONGEST_HELD_S. Raise Stopped when the stage ends the
        run.
        """

        async def once() -> JsonValue:
            if self.has(name):
                return None
            value = await compute()
            if isinstance(value, Stop):
                return value.to_json()
            if not self.has(name):
                draft = self.draft(name, type_, value)
                await self._put(draft, may_wait=only_reads)
                self._remember(draft, value)
            return None

        answer = await self.engine.step(name, once)
        if answer is None and not self.has(name):
            # The engine remembers a stage that the record does not have: the record is what counts.
            answer = await once()
        standing = self.standing(name, noun)
        if standing is not None:
            return standing
        if answer is None:
            raise ErasedError(self.key(name))
        raise Stopped(Stop.model_validate(answer))

    def _remember(self, draft: Draft, value: Noun) -> None:
        """Keep what a draft was made from in mind, where that draft is held or stands: it need not be read back."""
        standing = self._held.get(draft.key) or self.known.get(draft.key)
        if standing is not None and standing.payload == draft.payload:
            self._read[draft.key] = value

    async def _put(self, draft: Draft, *, may_wait: bool) -> None:
        if not may_wait:
            await self.write(draft)
            return
        self._held[draft.key] = draft
        asyncio.get_running_loop().call_later(LONGEST_HELD_S, self._write_behind, draft.key)

    def _write_behind(self, key: str) -> None:
        """Send what is held to the writer, for people to see; what fails here fails again with the next write."""
        held = tuple(self._held.copy().values())
        if key in self._held:
            with suppress(WriterBusyError, WriterClosedError):
                self.journal.submit(lambda tx: [_as_made(tx, draft) for draft in held])


def _as_made(tx: Transaction, draft: Draft) -> LedgerEntry:
    """Append what later stages were made from, or refuse whatever comes with it."""
    entry = tx.append(draft)
    if entry.payload != draft.payload:
        raise StageLostError(draft.key)
    return entry


class _Noting:
    """A transaction that remembers what it appended, for the story to know after the commit."""

    def __init__(self, tx: Transaction, appended: list[LedgerEntry]) -> None:
        self._tx = tx
        self._appended = appended

    @property
    def connection(self) -> Connection:
        return self._tx.connection

    @property
    def driver(self) -> sqlite3.Connection:
        return self._tx.driver

    def append(self, draft: Draft) -> LedgerEntry:
        entry = self._tx.append(draft)
        self._appended.append(entry)
        return entry

    def find(self, key: str) -> LedgerEntry | None:
        return self._tx.find(key)


def read(entry: LedgerEntry, noun: type[N]) -> N:
    """Return the noun an entry carries."""
    found = entry.noun(noun)
    if found is None:
        raise ErasedError(entry.key)
    return found
