"""Diagnose: the cause that the evidence speaks for, how surely, and what else was considered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from grace.model.cause import BENIGN_CAUSE
from grace.model.diagnosis import UNKNOWN_CAUSE, Alternative, Diagnosis, Evidence
from grace.model.incident import Incident
from grace.model.signal import Severity, Signal
from grace.think.knowledge.loading import Knowledge
from grace.think.knowledge.matching import Match, Scene, match, scene_of_signal
from grace.think.knowledge.wording import Wording
from grace.think.sentinel.calibrating import shipped
from grace.think.sentinel.weighing import SAYS_SO, Weighed, balance, says_so

THRESHOLD: Final = 0.5
"""Below this the honest answer is `unknown`."""
CLOSE: Final = 0.05
"""Causes whose probabilities differ by less than this contradict each other."""
MOST_SIGNALS: Final = 20
"""Signals of one incident are alike: the newest few are looked at."""
_MOST_ALTERNATIVES: Final = 5
_LEAST_WORTH_TELLING: Final = 0.02
_REPORTS_NO_FAULT: Final = frozenset({Severity.DEBUG, Severity.INFO})
_REPORTS_A_FAULT: Final = frozenset({Severity.ERROR, Severity.CRITICAL})
_RAISED_SAYS_SO: Final = 0.9
"""What was raised is no fault only where the program calls it mere information, such as a deprecation."""
_SEVERITIES: Final = (
    "RFC 5424, The Syslog Protocol, section 6.2.1 <https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1>"
)


def diagnose(incident: Incident, signals: Sequence[Signal], knowledge: Knowledge, at: datetime) -> Diagnosis:
    """Return the diagnosis of an incident from its signals; `unknown` where the evidence does not tell."""
    telling = [signal for signal in signals if signal.severity not in _REPORTS_NO_FAULT]
    if signals and not telling:
        return _as_reported(incident, signals[-1], knowledge, at)
    scenes = [scene_of_signal(signal, incident.labels) for signal in telling[-MOST_SIGNALS:]]
    return judged(incident.id, weigh_all(scenes, knowledge), knowledge.digest, at, says_well=_says_well(telling))


def _says_well(signals: Sequence[Signal]) -> float:
    """Return how sure a rule must be that all is well: a reported fault is not benign for lack of words of trouble."""
    if any(signal.exception is not None for signal in signals):
        return _RAISED_SAYS_SO
    return SAYS_SO if any(signal.severity in _REPORTS_A_FAULT for signal in signals) else 0.0


def weigh_all(scenes: Sequence[Scene], knowledge: Knowledge) -> tuple[Weighed, ...]:
    """Weigh what several signals of one incident say, each rule by the best of its matches."""
    best: dict[str, Match] = {}
    for scene in scenes:
        for rule in knowledge.shortlist.for_scene(scene):
            found = match(rule, scene)
            if found and (rule.id not in best or found.weight > best[rule.id].weight):
                best[rule.id] = found
    matches: dict[str, list[Match]] = {}
    for one in best.values():
        matches.setdefault(one.rule.cause, []).append(one)
    return balance(matches, _leanings(scenes, knowledge))


def judged(
    incident_id: str, weighed: Sequence[Weighed], digest: str, at: datetime, *, says_well: float = 0.0
) -> Diagnosis:
    """Turn weighed causes into a diagnosis: calibrated, with evidence, alternatives and reasons.

    `says_well` is how sure a rule must be for `benign`; where none is, the answer is `unknown`.
    """
    confidence = round(shipped()(weighed[0].probability), 4) if weighed else 0.0
    first = weighed[0] if weighed else None
    if first is None or confidence < THRESHOLD or not _stands(first, weighed[1:], says_well):
        told = tuple(_alternative(one, None) for one in _worth_telling(weighed))
        return Diagnosis(
            incident_id=incident_id,
            cause=UNKNOWN_CAUSE,
            confidence=0.0,
            alternatives=told,
            knowledge_digest=digest,
            at=at,
        )
    return Diagnosis(
        incident_id=incident_id,
        cause=first.cause,
        confidence=confidence,
        evidence=_evidence(first),
        alternatives=tuple(_alternative(one, first) for one in _worth_telling(weighed[1:])),
        knowledge_digest=digest,
        at=at,
    )


def _stands(first: Weighed, others: Sequence[Weighed], says_well: float) -> bool:
    """Tell whether a cause may be named: a rule says so, about more than a name or a denial, and no other as firmly.

    A reported fault is not benign for good words beside a fault: `update applied: database is locked`.
    """
    if first.cause == BENIGN_CAUSE and says_well and any(says_so(other.matches, 0.0) for other in others):
        return False
    is_said = says_so(first.matches, says_well if first.cause == BENIGN_CAUSE else 0.0)
    return is_said and (not others or first.probability - others[0].probability >= CLOSE)


def _leanings(scenes: Sequence[Scene], knowledge: Knowledge) -> Mapping[str, float]:
    every = [knowledge.words.leanings(Wording(text)) for text in dict.fromkeys(scene.text for scene in scenes)]
    told = [one for one in every if one]
    if not told:
        return {}
    return {cause: sum(one[cause] for one in told) / len(told) for cause in told[0]}


def _worth_telling(weighed: Sequence[Weighed]) -> list[Weighed]:
    told = [one for one in weighed if one.matches or one.probability >= _LEAST_WORTH_TELLING]
    return told[:_MOST_ALTERNATIVES]


def _alternative(one: Weighed, first: Weighed | None) -> Alternative:
    return Alternative(cause=one.cause, confidence=round(one.probability, 4), why=_why(one, first))


def _why(one: Weighed, first: Weighed | None) -> str:
    if not one.matches:
        return "only the wording leans to it, and no rule matches"
    if first is None:
        if one.cause == BENIGN_CAUSE and one.probability >= THRESHOLD:
            return f"{one.rules} speaks for it, which does not outweigh that a fault was reported"
        return f"{one.rules} speaks for it, but not surely enough (the answer needs {THRESHOLD})"
    if one.explained_by == first.cause:
        return f"{one.rules} matches too, as a consequence of {first.cause}"
    if max(match.weight for match in one.matches) < THRESHOLD:
        return f"{one.rules} matches only a name, or words that are denied"
    return f"{one.rules} matches less surely"


def _evidence(one: Weighed) -> tuple[Evidence, ...]:
    cited: Mapping[tuple[str, str], Evidence] = {
        (found.rule.id, sighting.what): Evidence(
            what=sighting.what, where=sighting.where, rule=found.rule.id, source=found.rule.citation
        )
        for found in one.matches
        for sighting in found.sightings
    }
    return tuple(cited.values())


def _as_reported(incident: Incident, newest: Signal, knowledge: Knowledge, at: datetime) -> Diagnosis:
    told = Evidence(what=f"severity {newest.severity}", where="signal", rule="severity", source=_SEVERITIES)
    return Diagnosis(
        incident_id=incident.id,
        cause=BENIGN_CAUSE,
        confidence=round(shipped()(1.0), 4),
        evidence=(told,),
        knowledge_digest=knowledge.digest,
        at=at,
    )
