"""Render the contract: metrics and benchmarks become the probes that the service declares, every value a literal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from grace.model.catalogue import Catalogue
from grace.model.contract import MINIMUM_SAMPLES, Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.quantities import share
from grace.model.service import Service
from grace.think.playbooks.calls import call_of, literal
from grace.think.playbooks.evaluation import AbsentError, Values, fill
from grace.think.playbooks.format import ClauseForm, ContractForm
from grace.think.playbooks.refusing import RefusedError, Rule, refused
from grace.think.playbooks.shapes import kind_of
from grace.think.playbooks.timing import THROUGHOUT_EVERY_S, default_every_s, too_slow

_NEEDS_NUMBER = frozenset({Comparator.AT_MOST, Comparator.AT_LEAST})


@dataclass(frozen=True, slots=True)
class _Measure:
    """The probe behind a clause."""

    probe: str
    parameters: Mapping[str, JsonValue]
    every_s: float | None = None
    samples: int = MINIMUM_SAMPLES


def render_contract(form: ContractForm, service: Service, values: Values, catalogue: Catalogue) -> Contract:
    """Return the contract in literals; raise RefusedError when the service does not declare what it needs."""
    clauses = [
        _clause(f"{phase.value}-{index}", phase, clause, service, values, catalogue)
        for phase in Phase
        for index, clause in enumerate(form.of(phase), start=1)
    ]
    return Contract(clauses=tuple(clauses))


def _clause(
    clause_id: str, phase: Phase, form: ClauseForm, service: Service, values: Values, catalogue: Catalogue
) -> Clause:
    what = f"clause {clause_id} ({form.name})"
    measure = _measure(what, form, service)
    spec = catalogue.probes.get(measure.probe)
    if spec is None:
        raise refused(Rule.UNKNOWN_PROBE, f"{what}: there is no probe {measure.probe}", "Run `grace playbook lint`.")
    return Clause.model_validate(
        {
            "id": clause_id,
            "phase": phase,
            "source": form.source,
            "name": form.name,
            "probe": measure.probe,
            "with": literal(call_of(what, spec.parameters, measure.parameters, values)),
            "comparator": form.comparator,
            "expected": _expected(what, form, values),
            "within_s": form.within or 0.0,
            "for_s": form.for_ or 0.0,
            "every_s": _every_s(what, phase, form, measure),
            "samples": measure.samples,
            "required": form.required,
        }
    )


def _measure(what: str, form: ClauseForm, service: Service) -> _Measure:
    name = form.name.removeprefix("service.")
    match form.source:
        case ClauseSource.PROBE:
            return _Measure(form.name, form.parameters)
        case ClauseSource.METRIC:
            indicator = service.indicators.get(name)
            if indicator is None:
                raise _undeclared(what, service, "indicators", name)
            return _Measure(indicator.probe, indicator.parameters, every_s=indicator.every)
        case ClauseSource.BENCHMARK:
            benchmark = service.benchmarks.get(name)
            if benchmark is None:
                raise _undeclared(what, service, "benchmarks", name)
            return _Measure(benchmark.probe, benchmark.parameters, samples=benchmark.samples)


def _undeclared(what: str, service: Service, section: str, name: str) -> RefusedError:
    remedy = f"Declare it under `{section}` of {service.name} in grace.yaml."
    return refused(Rule.NOT_DECLARED, f"{what}: the service {service.name} declares no {name}", remedy)


def _expected(what: str, form: ClauseForm, values: Values) -> JsonValue:
    try:
        expected = fill(form.expected, values)
        if form.comparator is Comparator.WORSENS_AT_MOST:
            return share(expected)
    except (AbsentError, ValueError) as error:
        raise refused(Rule.REFERENCE, f"{what}: {error}") from error
    if form.comparator in _NEEDS_NUMBER and kind_of(expected) != "number":
        raise refused(Rule.COMPARISON, f"{what}: {form.comparator} needs a number, not {kind_of(expected)}")
    return expected


def _every_s(what: str, phase: Phase, form: ClauseForm, measure: _Measure) -> float:
    match phase:
        case Phase.BEFORE:
            return 0.0
        case Phase.THROUGHOUT:
            return form.every or measure.every_s or THROUGHOUT_EVERY_S
        case Phase.AFTER:
            every_s = form.every or measure.every_s or default_every_s(form)
            if why := too_slow(form.for_ or 0.0, every_s):
                raise refused(Rule.TIMING, f"{what}: {why}", "Wait longer (`for`), or sample more often (`every`).")
            return 0.0 if form.source is ClauseSource.BENCHMARK else every_s
