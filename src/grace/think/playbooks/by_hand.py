"""By hand: a command that a person wants to run becomes a playbook for one run, in the one format there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from grace.kit.canonical import canonical
from grace.kit.documents import Flaw
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.model.cause import BY_HAND_CAUSE
from grace.model.contract import MINIMUM_SAMPLES, ClauseSource
from grace.model.handwork import BY_HAND, AskedByHand
from grace.model.plan import Remedy
from grace.model.service import Service
from grace.model.warrant import Refusal
from grace.think.playbooks.loading import LoadedPlaybook, load_document

Recipe = dict[str, JsonValue]

STEP: Final = "command"
VERSION: Final = "0.0.0"
WORSENS_AT_MOST: Final = 0.2
"""How much worse than the worst reading before an indicator may read afterwards: noise is no harm."""
_DIGITS: Final = 6
_LONGEST_SUMMARY: Final = 400


def recipe_of(asked: AskedByHand, service: Service, worst: Mapping[str, float], line: str) -> str | Refusal:
    """Return the playbook as JSON text; `worst` is the worst that each indicator read just now.

    Every indicator that was read and that no expectation names must not worsen. A contract that would be empty is
    refused: then nothing would ever be proved.
    """
    clauses = [*_expected(asked, service), *_not_worse(asked, service, worst)]
    if not clauses:
        return _empty(service)
    writes: list[JsonValue] = [*asked.writes, *asked.creates]
    remedy = Remedy.ROLL_BACK if writes or asked.undo else Remedy.HOLD
    document: Recipe = {
        "format": 1,
        "name": BY_HAND,
        "version": VERSION,
        "summary": f"By hand: {asked.reason or line}"[:_LONGEST_SUMMARY],
        "when": {"cause": BY_HAND_CAUSE},
        "do": [_step(asked, writes)],
        "contract": {"after": [*clauses]},
        "on_violated": remedy.value,
        "on_inconclusive": remedy.value,
    }
    return canonical(document).decode()


def read_recipe(recipe: str, catalogue: Catalogue, causes: Collection[str] | None = None) -> LoadedPlaybook | Refusal:
    """Lint and load what `recipe_of` made; its digest is of the whole content."""
    document = read_yaml(recipe, BY_HAND)
    found = (document,) if isinstance(document, Flaw) else load_document(document, catalogue, causes)
    if isinstance(found, LoadedPlaybook):
        return found
    why = "; ".join(flaw.message for flaw in found)
    return Refusal(
        rule="command-flaw", why=why, next=next((flaw.next for flaw in found if flaw.next), "grace do --help")
    )


def _step(asked: AskedByHand, writes: list[JsonValue]) -> Recipe:
    parameters: Recipe = {"argv": [*asked.command], "cwd": asked.cwd, "timeout": asked.timeout}
    step: Recipe = {"id": STEP, "uses": "command.edit", "with": {**parameters, "writes": writes}}
    if not writes:
        step |= {"uses": "command.run", "with": {**parameters, "target": f"service:{asked.service}"}}
    if asked.undo:
        undo: Recipe = {**parameters, "argv": [*asked.undo], "target": f"service:{asked.service}"}
        step["undo"] = {"uses": "command.run", "with": undo, "after_restore": bool(writes)}
    return step


def _expected(asked: AskedByHand, service: Service) -> Iterator[Recipe]:
    for clause in asked.expect:
        if ClauseSource.BENCHMARK.value in clause:
            yield dict(clause)
        else:
            every = _beat(service, clause.get(ClauseSource.METRIC.value))
            yield {**_times(asked, every), **clause}


def _not_worse(asked: AskedByHand, service: Service, worst: Mapping[str, float]) -> Iterator[Recipe]:
    named = {str(clause.get(ClauseSource.METRIC.value)) for clause in asked.expect}
    for name, value in worst.items():
        metric = f"service.{name}"
        if metric not in named:
            most = value + abs(value) * WORSENS_AT_MOST
            bound = float(f"{most:.{_DIGITS}g}")
            yield {"metric": metric, "at_most": bound, **_times(asked, _beat(service, metric))}


def _beat(service: Service, metric: JsonValue) -> float | None:
    indicator = service.indicators.get(str(metric).removeprefix("service."))
    return None if indicator is None else indicator.every


def _times(asked: AskedByHand, every: float | None) -> Recipe:
    """Give enough time for the samples that a verdict rests on."""
    enough = (MINIMUM_SAMPLES - 1) * (every or 0.0)
    return {"within": asked.within, "for": max(asked.lasting, enough)}


def _empty(service: Service) -> Refusal:
    indicators: Sequence[str] = sorted(service.indicators)
    measured = f"its indicators ({', '.join(indicators)}) are unknown now" if indicators else "it has no indicators"
    why = f"nothing would be measured at {service.name}: {measured}, and an empty contract proves nothing"
    ways = "--expect 'probe file.value path=/etc/app.yaml key=timeout is 30'"
    more = "--expect 'probe http.status url=http://127.0.0.1:8080/healthz is 200'"
    return Refusal(rule="empty-contract", why=why, next=f"{ways}, or {more}; docs/probes.md lists what can be read")
