"""Choices: what can be named, where something is wanted and it is not clear of what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grace.api.chat.findings import Findings, Seen
from grace.api.chat.intents import LAST, AskWhich, Verb
from grace.api.house import House
from grace.api.problems import ProblemError

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Choices:
    """Asks back for one answer."""

    house: House

    def of(self, asked: AskWhich) -> Seen:
        """Return the question as a headline, and under it what can be chosen."""
        unread = f" I cannot act on {' '.join(asked.words)!r}." if asked.words else ""
        match asked.verb:
            case Verb.HEAL | Verb.PLAN:
                return self._incidents(asked, unread)
            case Verb.HALT:
                strange = f" There is no service {' '.join(asked.words)!r}." if asked.words else ""
                return Seen(f"Halt everything, or one service?{strange}", tuple(self._services()))
            case Verb.END_HALT:
                halted = Findings(self.house).halts()
                lines = (halted.headline, *halted.lines, "end the halt, or: end the halt for SERVICE")
                return Seen(f"End which halt?{unread}", lines)
            case Verb.ANSWER:
                seen = Findings(self.house).pending()
                lines = (seen.headline, *seen.lines, "One question at a time: approve APPROVAL, reject APPROVAL")
                return Seen(f"Answer which question?{unread}", lines, approval_ids=seen.approval_ids)
            case Verb.UNDO | Verb.KEEP:
                return self._runs(asked.verb, unread)
            case Verb.DRILL:
                return Seen(f"Which drill?{unread}", ("There is one: trigger database error",))

    def _incidents(self, asked: AskWhich, unread: str) -> Seen:
        declared = {one.name for one in self.house.declared.services()}
        named = [word.lower() for word in asked.words if word.lower() in declared]
        rows = Findings(self.house).open_incidents(named)
        of = f" of {' and '.join(named)}" if named else ""
        if not rows:
            return Seen(
                f"{asked.verb} takes one incident.{unread}", (f"No incident{of} is open: nothing to {asked.verb}.",)
            )
        lines = tuple(f"{asked.verb} {row.id}: {row.service}, {row.title}" for row in rows)
        headline = f"{asked.verb} takes one incident, by its id.{unread} Open{of}:"
        return Seen(headline, (*lines, "All of them: grace incidents"), incident_ids=tuple(row.id for row in rows))

    def _services(self) -> Iterable[str]:
        names = sorted({one.name for one in self.house.declared.services()})
        yield "halt everything"
        yield from (f"halt {name}" for name in names[:_SHOWN])
        if len(names) > _SHOWN:
            yield f"and {len(names) - _SHOWN} more: grace status"
        yield "One run alone is stopped by: grace cancel RUN"

    def _runs(self, verb: Verb, unread: str) -> Seen:
        headline = f"{verb} takes one run, by its id.{unread}"
        try:
            newest = Findings(self.house).run(LAST)
        except ProblemError as error:
            return Seen(headline, (error.problem.detail,))
        return Seen(headline, (f"The newest: {verb} {newest}", "All of them: grace runs"), run_ids=(newest,))
