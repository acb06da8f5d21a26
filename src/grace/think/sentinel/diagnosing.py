"""Diagnose by rules: the cause that the evidence speaks for, how surely, and what else was considered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.model.diagnosis import UNKNOWN_CAUSE, Alternative, Diagnosis, Evidence
from grace.model.incident import Incident
from grace.model.signal import Severity, Signal
from grace.think.knowledge.loading import Knowledge
from grace.think.knowledge.matching import Match, match, scene_of_signal

THRESHOLD: Final = 0.5
"""Below this the honest answer is `unknown`."""
CLOSE: Final = 0.2
"""Causes whose confidence differs by less than this contradict each other."""
MOST_SIGNALS: Final = 20
"""Signals of one incident are alike: the newest few are looked at."""
_REPORTS_NO_FAULT: Final = frozenset({Severity.DEBUG, Severity.INFO})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cause with its surest rule and all that matched."""

    cause: str
    confidence: float
    matches: tuple[Match, ...]

    @property
    def explains(self) -> frozenset[str]:
        return frozenset(cause for one in self.matches for cause in one.rule.explains)

    @property
    def rules(self) -> str:
        return ", ".join(dict.fromkeys(one.rule.id for one in self.matches))


def diagnose(incident: Incident, signals: Sequence[Signal], knowledge: Knowledge, at: datetime) -> Diagnosis:
    """Return the diagnosis of an incident from its signals; `unknown` where the rules do not tell."""
    candidates = _candidates(incident, signals, knowledge)
    leading = [one for one in candidates if not _is_explained(one, candidates)]
    if not leading:
        return _unknown(incident, knowledge, at, ())
    first, *rivals = leading
    confidence = _confidence(first, rivals)
    others = tuple(_alternative(one, first, is_rival=one in rivals) for one in candidates if one is not first)
    if confidence < THRESHOLD:
        why = f"{first.rules} speaks for it, but not surely enough ({confidence:.2f} of at least {THRESHOLD})"
        doubted = Alternative(cause=first.cause, confidence=confidence, why=why)
        return _unknown(incident, knowledge, at, (doubted, *others))
    return Diagnosis(
        incident_id=incident.id,
        cause=first.cause,
        confidence=confidence,
        evidence=_evidence(first),
        alternatives=others,
        knowledge_digest=knowledge.digest,
        at=at,
    )


def _candidates(incident: Incident, signals: Sequence[Signal], knowledge: Knowledge) -> list[_Candidate]:
    found: dict[str, list[Match]] = {}
    telling = [signal for signal in signals if signal.severity not in _REPORTS_NO_FAULT]
    for signal in telling[-MOST_SIGNALS:]:
        scene = scene_of_signal(signal, incident.labels)
        for rule in knowledge.rules:
            if one := match(rule, scene):
                found.setdefault(rule.cause, []).append(one)
    return sorted((_candidate(cause, matches) for cause, matches in found.items()), key=_surest_first)


def _candidate(cause: str, matches: Iterable[Match]) -> _Candidate:
    surest_first = sorted(matches, key=lambda one: (-one.rule.confidence, one.rule.id))
    return _Candidate(cause, surest_first[0].rule.confidence, tuple(surest_first))


def _surest_first(candidate: _Candidate) -> tuple[float, str]:
    return (-candidate.confidence, candidate.cause)


def _is_explained(candidate: _Candidate, among: Iterable[_Candidate]) -> bool:
    return any(
        candidate.cause in other.explains and candidate.cause != other.cause and other.cause not in candidate.explains
        for other in among
    )


def _confidence(first: _Candidate, rivals: Sequence[_Candidate]) -> float:
    """Return the confidence of the first, halved when a rival is as sure, untouched when it is far behind."""
    if not rivals:
        return first.confidence
    lead = min(1.0, (first.confidence - rivals[0].confidence) / CLOSE)
    return round(first.confidence * (0.5 + 0.5 * lead), 4)


def _alternative(candidate: _Candidate, first: _Candidate, *, is_rival: bool) -> Alternative:
    if not is_rival:
        why = f"{candidate.rules} matches too, as a consequence of {first.cause}"
    elif first.confidence - candidate.confidence < CLOSE:
        why = f"{candidate.rules} matches almost as surely, which makes {first.cause} less certain"
    else:
        why = f"{candidate.rules} matches less surely"
    return Alternative(cause=candidate.cause, confidence=candidate.confidence, why=why)


def _evidence(candidate: _Candidate) -> tuple[Evidence, ...]:
    cited: Mapping[tuple[str, str], Evidence] = {
        (one.rule.id, sighting.what): Evidence(
            what=sighting.what, where=sighting.where, rule=one.rule.id, source=one.rule.source
        )
        for one in candidate.matches
        for sighting in one.sightings
    }
    return tuple(cited.values())


def _unknown(incident: Incident, knowledge: Knowledge, at: datetime, considered: tuple[Alternative, ...]) -> Diagnosis:
    return Diagnosis(
        incident_id=incident.id,
        cause=UNKNOWN_CAUSE,
        confidence=0.0,
        alternatives=considered,
        knowledge_digest=knowledge.digest,
        at=at,
    )
