"""The tale of one run, read from its ledger entries: what was thought, decided, done, measured and undone, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.events import PAYLOADS, EventType
from grace.model.execution import Execution, Undoing
from grace.model.noun import Noun
from grace.model.plan import Plan
from grace.model.run import Run
from grace.model.settlement import Settlement
from grace.model.verdict import Verdict

N = TypeVar("N", bound=Noun)


class Entry(BaseModel):
    """One entry as the API shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    key: str
    type: EventType
    at: datetime
    payload: JsonValue

    @property
    def noun(self) -> Noun | None:
        """Return what the entry carries; None when that was erased."""
        return PAYLOADS[self.type].from_json(self.payload) if isinstance(self.payload, dict) else None


ENTRIES = TypeAdapter(tuple[Entry, ...])


@dataclass(frozen=True, slots=True)
class Tale:
    """The entries of one run, oldest first."""

    run_id: str
    entries: Sequence[Entry] = ()

    @property
    def opened(self) -> Run:
        return self.must(Run)

    @property
    def diagnosis(self) -> Diagnosis | None:
        return self.last(Diagnosis)

    @property
    def plan(self) -> Plan | None:
        return self.last(Plan)

    @property
    def decision(self) -> Decision | None:
        return self.last(Decision)

    @property
    def execution(self) -> Execution | None:
        return self.last(Execution)

    @property
    def verdict(self) -> Verdict | None:
        return self.last(Verdict)

    @property
    def undoing(self) -> Undoing | None:
        return self.last(Undoing)

    @property
    def settlement(self) -> Settlement | None:
        return self.last(Settlement)

    def all(self, noun: type[N]) -> Iterator[N]:
        """Yield every noun of a kind, oldest first."""
        return (found for entry in self.entries if isinstance(found := entry.noun, noun))

    def last(self, noun: type[N]) -> N | None:
        return next((found for found in reversed(list(self.all(noun)))), None)

    def must(self, noun: type[N]) -> N:
        """Return the noun; raise LookupError where the run has not come so far."""
        found = self.last(noun)
        if found is None:
            message = f"{self.run_id} has no {noun.__name__.lower()}"
            raise LookupError(message)
        return found

    def of(self, type_: EventType) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.type is type_)

    def at(self, type_: EventType) -> datetime | None:
        """Return when something of this type was first recorded."""
        return next((entry.at for entry in self.of(type_)), None)
