"""Confirm: look at the world with the checks of the rules that matched, and let the answers change the confidence.

The checks only read. What a message says itself may aim only probes that are harmless (`format.HARMLESS`); every other
parameter comes from what the service declares, never from a sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.model.cause import NEVER_ACT
from grace.model.diagnosis import UNKNOWN_CAUSE, Alternative, Diagnosis, Evidence
from grace.model.incident import Incident
from grace.model.reading import Known, Unknown
from grace.model.service import Service
from grace.model.signal import Signal
from grace.think.knowledge.format import SAID, Check, KnowledgeRule
from grace.think.knowledge.loading import Knowledge
from grace.think.knowledge.matching import match, scene_of_signal
from grace.think.playbooks import Eyes
from grace.think.sentinel.diagnosing import MOST_SIGNALS, THRESHOLD, diagnose

MOST_CHECKS: Final = 4
"""So many looks are made for one diagnosis."""
CONFIRMED: Final = 8.0
"""By how much the odds rise with an answer that confirms ..."""
REFUTED: Final = 0.08
"""... and fall with one that refutes. A look without an answer changes nothing."""
_SUREST: Final = 0.995
_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Looked:
    """One check, how it was aimed, and what it found."""

    rule: KnowledgeRule
    check: Check
    found: Known | Unknown

    @property
    def factor(self) -> float:
        """Return by how much the odds of the cause change."""
        if isinstance(self.found, Unknown):
            return 1.0
        if self.check.confirms and self.check.confirms.is_met_by(self.found.value):
            return CONFIRMED
        if self.check.refutes and self.check.refutes.is_met_by(self.found.value):
            return REFUTED
        return 1.0

    @property
    def told(self) -> str:
        if isinstance(self.found, Unknown):
            return f"{self.check.probe} found nothing: {self.found.why}"
        verdict = "confirms" if self.factor > 1 else "refutes" if self.factor < 1 else "neither confirms nor refutes"
        return f"{self.check.probe} found {self.found.value!r:.{_SHOWN}}, which {verdict} it"


def examine(
    incident: Incident,
    signals: Sequence[Signal],
    knowledge: Knowledge,
    at: datetime,
    service: Service | None,
    eyes: Eyes,
) -> Diagnosis:
    """Diagnose an incident and hold the answer against the world, as far as the service declares where to look."""
    found = diagnose(incident, signals, knowledge, at)
    declared = {} if service is None else service_values(service)
    return confirm(found, knowledge, declared, _said(found, incident, signals, knowledge), eyes)


def service_values(service: Service) -> dict[str, str]:
    """Return what a service declares that a check may be aimed by: its labels, and where its pid stands."""
    return {**({"pid_file": str(service.pid_file)} if service.pid_file else {}), **service.labels}


def confirm(
    diagnosis: Diagnosis, knowledge: Knowledge, labels: Mapping[str, str], said: Mapping[str, str], eyes: Eyes
) -> Diagnosis:
    """Return the diagnosis with the confidence that the checks leave it; refuted below the threshold it is unknown."""
    if diagnosis.cause in NEVER_ACT:
        return diagnosis
    values = {**labels, **{f"{SAID}{name}": value for name, value in said.items()}}
    looks = tuple(look(_rules_of(diagnosis, knowledge), values, eyes))
    if not looks:
        return diagnosis
    odds = diagnosis.confidence / (1 - diagnosis.confidence)
    for one in looks:
        odds *= one.factor
    confidence = round(min(_SUREST, odds / (1 + odds)), 4)
    told = tuple(
        Evidence(what=one.told, where=f"check: {one.check.tells}", rule=one.rule.id, source=one.rule.citation)
        for one in looks
    )
    if confidence >= THRESHOLD:
        return diagnosis.model_copy(update={"confidence": confidence, "evidence": (*diagnosis.evidence, *told)})
    why = "; ".join(one.told for one in looks if one.factor < 1)
    refuted = Alternative(cause=diagnosis.cause, confidence=confidence, why=f"the checks speak against it: {why}")
    others = (refuted, *diagnosis.alternatives)
    return diagnosis.model_copy(
        update={"cause": UNKNOWN_CAUSE, "confidence": 0.0, "evidence": (), "alternatives": others}
    )


def look(rules: Sequence[KnowledgeRule], values: Mapping[str, str], eyes: Eyes) -> Iterator[Looked]:
    """Make the looks of the rules that can be aimed, each once, a bounded number of them."""
    seen: set[str] = set()
    for rule in rules:
        for check in rule.looks:
            parameters = check.aimed(dict(values))
            key = f"{check.probe} {parameters}"
            if parameters is None or key in seen or len(seen) >= MOST_CHECKS:
                continue
            seen.add(key)
            yield Looked(rule, check, eyes.look(check.probe, parameters))


def _said(diagnosis: Diagnosis, incident: Incident, signals: Sequence[Signal], knowledge: Knowledge) -> dict[str, str]:
    """Return what senders say: labels of the incident, and what the rules that matched found in the words.

    Nothing where no check asks for it.
    """
    rules = _rules_of(diagnosis, knowledge)
    if not any(check.asks_what_is_said for rule in rules for check in rule.looks):
        return {}
    said: dict[str, str] = dict(incident.labels)
    for signal in signals[-MOST_SIGNALS:]:
        scene = scene_of_signal(signal, incident.labels)
        for rule in rules:
            found = match(rule, scene)
            said |= found.labels if found else {}
    return said


def _rules_of(diagnosis: Diagnosis, knowledge: Knowledge) -> tuple[KnowledgeRule, ...]:
    cited = dict.fromkeys(one.rule for one in diagnosis.evidence)
    return tuple(knowledge.by_id[rule_id] for rule_id in cited if rule_id in knowledge.by_id)
