"""Remedies: how one incident is mended, as far as record and knowledge tell. Nothing is planned or looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from grace.api.chat.replies import Citation
from grace.api.house import House
from grace.api.routes.incidents import read_incident
from grace.model.cause import BENIGN_CAUSE, CAUSES, NEVER_ACT, is_a
from grace.model.diagnosis import Diagnosis
from grace.model.events import EventType, PlanRefused
from grace.model.incident import Incident, IncidentState
from grace.model.noun import Noun
from grace.think.knowledge.format import KnowledgeRule

_Told = TypeVar("_Told", bound=Noun)
_CITED: Final = 2
"""So many entries are cited: the one that decided, and the next."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is known about mending an incident."""

    headline: str
    lines: tuple[str, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Remedies:
    """Reads the record and the knowledge for one answer."""

    house: House

    def of(self, incident_id: str) -> Remedy:
        """Tell cause, knowledge with its source, and which playbook would do it or why none would."""
        incident = read_incident(self.house, incident_id)
        cause, said, rules = self._cause(incident)
        named = [rule for name in rules if (rule := self.house.knowledge.entry(name))][:_CITED]
        lines = (
            said,
            *(line for number, rule in enumerate(named, 1) for line in _told(number, rule)),
            *([] if named else ["No entry of the knowledge packs matches it."]),
            *self._deed(incident, cause, {name for rule in named for name in rule.playbooks}),
        )
        headline = f"{incident.id}: {incident.service} ({incident.environment}), {incident.title}. I changed nothing:"
        citations = tuple(Citation(entry=rule.id, title=rule.title, source=rule.citation) for rule in named)
        return Remedy(headline, lines, citations)

    def _cause(self, incident: Incident) -> tuple[str, str, tuple[str, ...]]:
        """Return the cause, a sentence about it, and the entries that speak for it."""
        made = self._newest(incident.id, EventType.DIAGNOSIS_MADE, Diagnosis)
        judged = made or self.house.knowledge.try_out(incident.title)
        how = f"confidence {judged.confidence:.2f}" + (
            "" if made else ", from its title alone: it is not diagnosed yet"
        )
        title = f": {CAUSES[judged.cause].title}" if judged.cause in CAUSES else ""
        rules = tuple(dict.fromkeys(one.rule for one in judged.evidence))
        return judged.cause, f"cause {judged.cause} ({how}){title}", rules

    def _deed(self, incident: Incident, cause: str, advised: set[str]) -> Iterable[str]:
        """Say which playbook would do it, or why none would."""
        if incident.state != IncidentState.OPEN:
            yield f"It is {incident.state}: nothing is healed."
            return
        by_hand = f"By hand, with a way back: grace do --service {incident.service} --incident {incident.id} -- COMMAND"
        if cause in NEVER_ACT:
            why = "it reports no fault" if cause == BENIGN_CAUSE else "nothing is done on a guess"
            yield f"No playbook: {why}."
            yield by_hand
            return
        fitting = [one for one in self.house.declared.playbooks() if any(is_a(cause, each) for each in one.causes)]
        fitting.sort(key=lambda one: one.name not in advised)
        yield from (f"playbook {one.name}: {one.summary}" for one in fitting)
        refused = self._newest(incident.id, EventType.PLAN_REFUSED, PlanRefused)
        if refused:
            yield f"The last time no plan was made: {refused.why}"
            yield from (f"    considered {one}" for one in refused.considered)
        if fitting:
            yield f"What it would do now, and whether it may: grace plan {incident.id}"
            yield from () if refused else (f"To do it: grace heal {incident.id}",)
        else:
            yield f"No playbook that is loaded heals {cause}: grace playbook list"
        yield by_hand

    def _newest(self, incident_id: str, type_: EventType, noun: type[_Told]) -> _Told | None:
        found = [entry.payload for entry in self.house.record.entries(incident_id=incident_id, types={type_})]
        return noun.model_validate(found[-1]) if found and found[-1] is not None else None


def _told(number: int, rule: KnowledgeRule) -> Iterable[str]:
    yield f"[{number}] {rule.title}"
    yield from (f"    {line}" for line in (rule.advice, *rule.questions) if line)
    yield f"    source: {rule.citation}"
