"""The policy in force: read from its folders at start, read again on request, never replaced by a broken one."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from grace.govern.policy import Question
from grace.govern.policy.cedar import ENGINE, CedarPolicy
from grace.govern.policy.rules import PolicyInvalidError, read_rules
from grace.kit.ids import new_id
from grace.model.decision import Decision
from grace.model.events import EventType, PolicyChanged
from grace.model.ledger_entry import Draft
from grace.record import Journal


@dataclass(frozen=True, slots=True)
class PolicySource:
    """Where the rules and their schema are, what they may name, and where drills may write."""

    folders: tuple[Path, ...]
    schema: Path
    known_deeds: frozenset[str]
    drill_folders: tuple[str, ...] = ()

    def read(self) -> CedarPolicy:
        """Read and check the files; raise PolicyInvalidError with every problem."""
        return CedarPolicy(read_rules(self.folders, self.schema, self.known_deeds), self.drill_folders)


class LivePolicy:
    """A policy engine that can be reloaded. Raises PolicyInvalidError when made from broken files: no start without."""

    def __init__(self, source: PolicySource, journal: Journal) -> None:
        self._source = source
        self._journal = journal
        self._lock = threading.Lock()
        self._current = source.read()
        self._problems: tuple[str, ...] = ()
        self._say(PolicyChanged(digest=self._current.digest, engine=ENGINE, accepted=True), by="grace")

    @property
    def digest(self) -> str:
        """Return the digest of the policies and schema in force."""
        return self._current.digest

    @property
    def current(self) -> CedarPolicy:
        return self._current

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the files on disk while the last good policy stays in force."""
        return self._problems

    def decide(self, question: Question) -> Decision:
        """Decide by the rules in force."""
        return self._current.decide(question)

    def reload(self, by: str) -> PolicyChanged | None:
        """Read the files again; a broken set is recorded and refused, the last good one stays; None: no change."""
        with self._lock:
            try:
                fresh = self._source.read()
            except PolicyInvalidError as error:
                return self._refuse(error.problems, by)
            self._problems = ()
            if fresh.digest == self._current.digest:
                return None
            self._current = fresh
            return self._say(PolicyChanged(digest=fresh.digest, engine=ENGINE, accepted=True), by)

    def _refuse(self, problems: Collection[str], by: str) -> PolicyChanged | None:
        if self._problems == tuple(problems):
            return None
        self._problems = tuple(problems)
        kept = "the last good policy stays in force"
        why = f"{'; '.join(problems)}; {kept}"
        return self._say(PolicyChanged(digest=self._current.digest, engine=ENGINE, accepted=False, why=why), by)

    def _say(self, changed: PolicyChanged, by: str) -> PolicyChanged:
        key = f"policy/{new_id('pol')}"
        self._journal.append(Draft(key=key, type=EventType.POLICY_CHANGED, actor=by, payload=changed.to_json()))
        return changed
