"""From a diagnosis to a plan: choose, or take what a person asked for, and render."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from grace.kit.documents import did_you_mean
from grace.model.plan import Plan
from grace.model.warrant import Refusal
from grace.think.playbooks.loading import Library, LoadedPlaybook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render
from grace.think.sentinel.choosing import NoneFits, choose, why_it_does_not_fit


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Why there is no plan, which rule says so, what to do next, and the playbooks that were considered."""

    refusal: Refusal
    considered: tuple[str, ...] = field(default=())


def plan(
    occasion: Occasion, library: Library, means: Means, *, asked_for: str | None = None, tried: Collection[str] = ()
) -> Plan | NoPlan:
    """Return the plan for an incident, or why there is none. `asked_for` names the playbook that a person wants."""
    chosen = _asked(occasion, library, asked_for) if asked_for else _chosen(occasion, library, tried)
    if isinstance(chosen, NoPlan):
        return chosen
    rendered = render(chosen, occasion, means)
    if isinstance(rendered, Refusal):
        return NoPlan(rendered, (f"{chosen.label}: {rendered.why}",))
    return rendered


def _chosen(occasion: Occasion, library: Library, tried: Collection[str]) -> LoadedPlaybook | NoPlan:
    chosen = choose(occasion.diagnosis, occasion.incident, occasion.service, library.playbooks, tried)
    if isinstance(chosen, NoneFits):
        remedy = "Write a playbook for it, or look at the incident yourself."
        return NoPlan(Refusal(rule="no-playbook", why=chosen.why, next=remedy), chosen.considered)
    return chosen


def _asked(occasion: Occasion, library: Library, name: str) -> LoadedPlaybook | NoPlan:
    loaded = library.named(name)
    if loaded is None:
        remedy = did_you_mean(name, [one.playbook.name for one in library.playbooks])
        return NoPlan(Refusal(rule="no-playbook", why=f"there is no playbook {name!r}", next=remedy))
    why_not = why_it_does_not_fit(loaded.playbook, occasion.diagnosis, occasion.incident, occasion.service)
    if why_not is not None:
        message = f"{loaded.label} does not fit: {why_not}"
        return NoPlan(Refusal(rule="does-not-fit", why=message, next="Choose another playbook."), (message,))
    return loaded
