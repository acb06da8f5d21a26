"""Lint of the contract: it is not empty, each clause can hold and can fail, and its timing gives enough samples."""

from __future__ import annotations

from pydantic import JsonValue

from grace.kit.documents import Path, did_you_mean
from grace.model.catalogue import ProbeSpec
from grace.model.contract import ClauseSource, Comparator, Phase
from grace.model.quantities import share
from grace.think.playbooks.expressions import OPEN
from grace.think.playbooks.format import ClauseForm, ContractForm
from grace.think.playbooks.linting import Linting
from grace.think.playbooks.scope import Scope
from grace.think.playbooks.shapes import ANYTHING, NUMBER, Shape, kind_of, mismatch, shape_of_answer
from grace.think.playbooks.timing import too_slow

_EQUALITY = frozenset({Comparator.IS, Comparator.IS_NOT})
_TIMES = {"within": "within", "for": "for_", "every": "every"}
_ALLOWED_TIMES = {
    Phase.BEFORE: frozenset[str](),
    Phase.THROUGHOUT: frozenset({"every"}),
    Phase.AFTER: frozenset({"within", "for", "every"}),
}


def lint_contract(work: Linting, contract: ContractForm, scope: Scope) -> None:
    """Add the flaws of a contract and of each of its clauses."""
    if not any(clause.required for clause in contract.after):
        message = "the contract has no required clause under `after`: nothing would ever be proved"
        work.add(("contract", "after"), "empty-contract", message, "Add what must be measured afterwards.")
    for phase in Phase:
        for index, clause in enumerate(contract.of(phase)):
            _lint_clause(work, ("contract", phase.value, index), phase, clause, scope)


def _lint_clause(work: Linting, path: Path, phase: Phase, clause: ClauseForm, scope: Scope) -> None:
    _lint_times(work, path, phase, clause)
    match clause.source:
        case ClauseSource.PROBE:
            _lint_probe(work, path, clause, scope)
        case ClauseSource.METRIC:
            _lint_metric(work, path, clause, scope)
        case ClauseSource.BENCHMARK:
            _lint_benchmark(work, path, phase, clause, scope)


def _lint_probe(work: Linting, path: Path, clause: ClauseForm, scope: Scope) -> None:
    spec = work.catalogue.probes.get(clause.name)
    if spec is None:
        message = f"there is no probe {clause.name!r}"
        work.add((*path, "probe"), "unknown-probe", message, did_you_mean(clause.name, work.catalogue.probes))
        work.parameters((*path, "with"), clause.parameters, None, scope)
        _follow_expected(work, path, clause, scope)
        return
    work.parameters((*path, "with"), clause.parameters, spec.parameters, scope)
    if clause.comparator is Comparator.WORSENS_AT_MOST:
        work.add((*path, "worsens_at_most"), "comparison", "only a benchmark worsens", "Use at_most or at_least.")
        _follow_expected(work, path, clause, scope)
        return
    _lint_expected(work, path, clause, spec, scope)


def _lint_expected(work: Linting, path: Path, clause: ClauseForm, spec: ProbeSpec, scope: Scope) -> None:
    answer = shape_of_answer(spec)
    wanted = answer if clause.comparator in _EQUALITY else NUMBER
    if why := mismatch(answer, wanted):
        work.add((*path, clause.comparator.value), "comparison", f"{spec.name} {why}", "Use `is` or `is_not`.")
        _follow_expected(work, path, clause, scope)
        return
    _lint_value(work, (*path, clause.comparator.value), clause.expected, wanted, scope)


def _lint_metric(work: Linting, path: Path, clause: ClauseForm, scope: Scope) -> None:
    _refuse_parameters(work, path, clause, scope)
    if clause.comparator not in (Comparator.AT_MOST, Comparator.AT_LEAST):
        message = "a metric is held against at_most or at_least"
        work.add((*path, clause.comparator.value), "comparison", message)
        _follow_expected(work, path, clause, scope)
        return
    _lint_value(work, (*path, clause.comparator.value), clause.expected, NUMBER, scope)


def _lint_benchmark(work: Linting, path: Path, phase: Phase, clause: ClauseForm, scope: Scope) -> None:
    _refuse_parameters(work, path, clause, scope)
    if phase is not Phase.AFTER:
        work.add((*path, "benchmark"), "comparison", "a benchmark is compared after the deed", "Move it to `after`.")
    for word, attribute in _TIMES.items():
        if phase is Phase.AFTER and attribute in clause.model_fields_set:
            work.add((*path, word), "timing", f"a benchmark has no `{word}`: it runs once", f"Remove `{word}`.")
    if clause.comparator is not Comparator.WORSENS_AT_MOST:
        message = "a benchmark is held against worsens_at_most"
        work.add((*path, clause.comparator.value), "comparison", message, "Write it like `worsens_at_most: 20%`.")
        _follow_expected(work, path, clause, scope)
        return
    where = (*path, "worsens_at_most")
    if isinstance(clause.expected, str) and OPEN in clause.expected:
        _lint_value(work, where, clause.expected, NUMBER, scope)
        return
    try:
        share(clause.expected)
    except ValueError as error:
        work.add(where, "comparison", str(error))


def _lint_value(work: Linting, path: Path, expected: JsonValue, wanted: Shape, scope: Scope) -> None:
    if work.value(path, expected, scope, wanted):
        return
    given = Shape(frozenset({kind_of(expected)}))
    if why := mismatch(given, wanted):
        work.add(path, "comparison", f"{expected!r:.60} {why}: this can never hold")


def _follow_expected(work: Linting, path: Path, clause: ClauseForm, scope: Scope) -> None:
    """Follow the references of an expectation whose clause has a flaw already; their shape cannot be judged."""
    work.value((*path, clause.comparator.value), clause.expected, scope, ANYTHING)


def _refuse_parameters(work: Linting, path: Path, clause: ClauseForm, scope: Scope) -> None:
    if clause.parameters:
        work.parameters((*path, "with"), clause.parameters, None, scope)
        message = f"a {clause.source.value} takes no `with`: the service declares how it is measured"
        work.add((*path, "with"), "parameters", message, "Remove `with`, or use `probe`.")


def _lint_times(work: Linting, path: Path, phase: Phase, clause: ClauseForm) -> None:
    for word, attribute in _TIMES.items():
        if attribute in clause.model_fields_set and word not in _ALLOWED_TIMES[phase]:
            work.add((*path, word), "timing", f"`{word}` has no meaning under `{phase.value}`", f"Remove `{word}`.")
    if phase is Phase.AFTER and clause.every and (why := too_slow(clause.for_ or 0, clause.every)):
        work.add((*path, "every"), "timing", why, "Sample more often, or wait longer.")
