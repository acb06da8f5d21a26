"""From a diagnosis to a plan: choose, or take what a person asked for, and render."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from grace.kit.documents import did_you_mean
from grace.model.plan import Plan
from grace.model.warrant import Refusal
from grace.think.playbooks.loading import Library, LoadedPlaybook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render
from grace.think.sentinel.choosing import NoneFits, ladder, why_it_does_not_fit


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Why there is no plan, which rule says so, what to do next, and the playbooks that were considered."""

    refusal: Refusal
    considered: tuple[str, ...] = field(default=())


def plan(
    occasion: Occasion, library: Library, means: Means, *, asked_for: str | None = None, tried: Collection[str] = ()
) -> Plan | NoPlan:
    """Return the plan for an incident, or why there is none. `asked_for` names the playbook that a person wants.

    Nobody asked: the playbooks that fit are rungs of a ladder, and the first of which a plan can be made is taken.
    """
    rungs = _asked(occasion, library, asked_for) if asked_for else _fitting(occasion, library, tried)
    if isinstance(rungs, NoPlan):
        return rungs
    refused: list[tuple[LoadedPlaybook, Refusal]] = []
    for rung in rungs:
        rendered = render(rung, occasion, means)
        if not isinstance(rendered, Refusal):
            return rendered
        refused.append((rung, rendered))
    considered = tuple(f"{rung.label}: {refusal.why}" for rung, refusal in refused)
    return NoPlan(refused[0][1], considered)


def _fitting(occasion: Occasion, library: Library, tried: Collection[str]) -> Sequence[LoadedPlaybook] | NoPlan:
    fitting = ladder(occasion.diagnosis, occasion.incident, occasion.service, library.playbooks, tried)
    if isinstance(fitting, NoneFits):
        remedy = "Write a playbook for it, or look at the incident yourself."
        return NoPlan(Refusal(rule="no-playbook", why=fitting.why, next=remedy), fitting.considered)
    return fitting


def _asked(occasion: Occasion, library: Library, name: str) -> Sequence[LoadedPlaybook] | NoPlan:
    loaded = library.named(name)
    if loaded is None:
        remedy = did_you_mean(name, [one.playbook.name for one in library.playbooks])
        return NoPlan(Refusal(rule="no-playbook", why=f"there is no playbook {name!r}", next=remedy))
    why_not = why_it_does_not_fit(loaded.playbook, occasion.diagnosis, occasion.incident, occasion.service)
    if why_not is not None:
        message = f"{loaded.label} does not fit: {why_not}"
        return NoPlan(Refusal(rule="does-not-fit", why=message, next="Choose another playbook."), (message,))
    return (loaded,)
