"""Choose the playbook that fits a diagnosis, or say for each why it does not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from grace.model.cause import BENIGN_CAUSE, is_a
from grace.model.diagnosis import Diagnosis
from grace.model.incident import Incident
from grace.model.service import Service
from grace.think.playbooks.format import Heading
from grace.think.playbooks.loading import LoadedPlaybook


@dataclass(frozen=True, slots=True)
class NoneFits:
    """No playbook was chosen: why, and why not each that was considered."""

    why: str
    considered: tuple[str, ...] = ()


def choose(
    diagnosis: Diagnosis,
    incident: Incident,
    service: Service,
    playbooks: Iterable[LoadedPlaybook],
    tried: Collection[str] = (),
) -> LoadedPlaybook | NoneFits:
    """Return the first playbook of the ladder that fits and was not tried yet for this occurrence of the incident."""
    found = ladder(diagnosis, incident, service, playbooks, tried)
    return found if isinstance(found, NoneFits) else found[0]


def ladder(
    diagnosis: Diagnosis,
    incident: Incident,
    service: Service,
    playbooks: Iterable[LoadedPlaybook],
    tried: Collection[str] = (),
) -> Sequence[LoadedPlaybook] | NoneFits:
    """Return every playbook that fits and was not tried yet, in the order in which they are tried, at least one.

    Those for just this cause come before those for a broader one.
    """
    if diagnosis.is_unknown:
        return NoneFits("the cause is unknown, and an unknown cause never leads to an action")
    if diagnosis.cause == BENIGN_CAUSE:
        return NoneFits("the signals report no fault, and no fault never leads to an action")
    for_cause = sorted(
        (one for one in playbooks if is_a(diagnosis.cause, one.playbook.when.cause)),
        key=lambda one: (one.playbook.when.cause != diagnosis.cause, *_rung(one)),
    )
    judged = [(one, _why_not(one.playbook, diagnosis, incident, service, tried)) for one in for_cause]
    if fitting := [one for one, why_not in judged if why_not is None]:
        return fitting
    if not judged:
        return NoneFits(f"no playbook heals {diagnosis.cause}")
    considered = tuple(f"{one.label}: {why_not}" for one, why_not in judged)
    return NoneFits(f"no playbook for {diagnosis.cause} fits {service.name}", considered)


def why_it_does_not_fit(playbook: Heading, diagnosis: Diagnosis, incident: Incident, service: Service) -> str | None:
    """Say why a playbook cannot be used for this incident; None when it can."""
    if diagnosis.is_unknown:
        return "the cause is unknown, and an unknown cause never leads to an action"
    if diagnosis.cause == BENIGN_CAUSE:
        return "the signals report no fault, and no fault never leads to an action"
    if not is_a(diagnosis.cause, playbook.when.cause):
        return f"it heals {playbook.when.cause}, and the cause is {diagnosis.cause}"
    labels = {**service.labels, **incident.labels}
    for name, wanted in playbook.when.labels.items():
        if labels.get(name) != wanted:
            is_now = f"it is {labels[name]!r}" if name in labels else "it is absent"
            return f"it needs the label {name}={wanted}, and {is_now}"
    declared = {f"metric {name}" for name in service.indicators} | {f"benchmark {name}" for name in service.benchmarks}
    if absent := sorted(playbook.measures - declared):
        return f"its contract needs {', '.join(absent)}, which {service.name} does not declare"
    return None


def _why_not(
    playbook: Heading, diagnosis: Diagnosis, incident: Incident, service: Service, tried: Collection[str]
) -> str | None:
    if playbook.name in tried:
        return "it was tried for this incident already"
    return why_it_does_not_fit(playbook, diagnosis, incident, service)


def _rung(one: LoadedPlaybook) -> tuple[int, int, str]:
    """Order by priority; among equals the one that asks for more labels is the more fitting one."""
    return (one.playbook.priority, -len(one.playbook.when.labels), one.playbook.name)
