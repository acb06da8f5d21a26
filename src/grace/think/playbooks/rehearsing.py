"""Tests of playbooks: an incident and stubbed finds in, the expected plan and tier out. Nothing is read or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grace.kit.documents import Document, Flaw
from grace.kit.filesystem.plain import read_plain
from grace.kit.parsing import parse
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.incident import Incident
from grace.model.noun import Noun
from grace.model.plan import Plan, PlannedStep, Reversibility
from grace.model.reading import Known, Unknown
from grace.model.service import Service
from grace.model.target import Target
from grace.model.warrant import Refusal
from grace.think.playbooks.calls import literal
from grace.think.playbooks.evaluation import equal
from grace.think.playbooks.loading import LoadedPlaybook, case_files, load_playbook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render

Decide: TypeAlias = Callable[[Plan, Service, Diagnosis], Decision]
_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HOST: Final = "test"

TargetKey = Annotated[str, Field(pattern=r"^[^:]+:[^:]*:.+$")]


class _Written(Noun):
    model_config = ConfigDict(populate_by_name=False)


class IncidentForm(_Written):
    """What a playbook can see of an incident."""

    title: str = "an error"
    labels: dict[str, str] = Field(default_factory=dict)
    count: int = 1


class StepForm(_Written):
    """A step of the expected plan. Of `with`, what is written here must be so; the rest is free."""

    id: str
    uses: str
    parameters: dict[str, JsonValue] = Field(alias="with", default_factory=dict)
    targets: tuple[str, ...] | None = None


class Expectation(_Written):
    """What must come out: a refusal by this rule, or a plan."""

    refused: str | None = None
    steps: tuple[StepForm, ...] | None = None
    skipped: tuple[str, ...] = ()
    reversibility: Reversibility | None = None
    ruling: Ruling | None = None


class CaseForm(_Written):
    """One case."""

    name: Annotated[str, Field(min_length=1)]
    incident: IncidentForm = IncidentForm()
    cause: str
    confidence: float = Field(default=0.95, ge=0, le=1)
    inputs: dict[str, str] = Field(default_factory=dict)
    finds: dict[str, JsonValue] = Field(default_factory=dict)
    unknown: dict[str, str] = Field(default_factory=dict)
    """Finds that do not know, and why."""
    targets: dict[str, tuple[TargetKey, ...]] = Field(default_factory=dict)
    """What an action would write, by its name, as `kind:host:id`; else its `path` or `process`."""
    expect: Expectation


class CasesForm(_Written):
    """A test file."""

    format: Literal[1]
    playbook: str
    service: Service
    cases: Annotated[tuple[CaseForm, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case came out: no problems, or what was otherwise than expected."""

    file: str
    line: int
    name: str
    problems: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class CaseReport:
    """All cases, and the flaws of files that could not be run."""

    results: tuple[CaseResult, ...]
    flaws: tuple[Flaw, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Tell whether something was tested and nothing failed."""
        return bool(self.results) and not self.flaws and all(one.is_passed for one in self.results)


def run_playbook_tests(paths: Iterable[Path], catalogue: Catalogue, decide: Decide | None = None) -> CaseReport:
    """Run the test files among the paths. Without `decide`, a case that expects a ruling fails."""
    results: list[CaseResult] = []
    flaws: list[Flaw] = []
    for path in case_files(paths):
        outcome = _run_file(path, catalogue, decide)
        if isinstance(outcome, list):
            results += outcome
        else:
            flaws += outcome
    return CaseReport(tuple(results), tuple(flaws))


def _run_file(path: Path, catalogue: Catalogue, decide: Decide | None) -> list[CaseResult] | tuple[Flaw, ...]:
    try:
        document = read_yaml(read_plain(path), str(path))
    except OSError as error:
        return (Flaw(str(path), 1, 1, "unreadable", f"the file cannot be read: {error.strerror}"),)
    if isinstance(document, Flaw):
        return (document,)
    form = parse(document, CasesForm)
    if not isinstance(form, CasesForm):
        return form
    loaded = load_playbook(path.parent / form.playbook, catalogue)
    if not isinstance(loaded, LoadedPlaybook):
        return loaded
    bench = _Bench(document, form.service, loaded, catalogue, decide)
    return [bench.run(index, case) for index, case in enumerate(form.cases)]


@dataclass(frozen=True, slots=True)
class _Bench:
    """One test file, ready to run its cases."""

    document: Document
    service: Service
    loaded: LoadedPlaybook
    catalogue: Catalogue
    decide: Decide | None

    def run(self, index: int, case: CaseForm) -> CaseResult:
        incident, diagnosis = _incident(case, self.service), _diagnosis(case)
        stubs = _Stubs(case, iter([step.id for step in self.loaded.playbook.find]))
        occasion = Occasion(incident, diagnosis, self.service, case.inputs)
        rendered = render(self.loaded, occasion, Means(self.catalogue, stubs, stubs))
        problems = (*self._problems(case.expect, rendered, diagnosis), *self._foreign(case))
        return CaseResult(self.document.file, self.document.at(("cases", index)).line, case.name, problems)

    def _problems(self, expected: Expectation, rendered: Plan | Refusal, diagnosis: Diagnosis) -> tuple[str, ...]:
        if isinstance(rendered, Refusal):
            if expected.refused == rendered.rule:
                return ()
            wanted = f"the refusal {expected.refused!r}" if expected.refused else "a plan"
            return (f"expected {wanted}, got the refusal {rendered.rule!r}: {rendered.why}",)
        if expected.refused:
            return (f"expected the refusal {expected.refused!r}, got a plan",)
        return (*_plan_problems(expected, rendered), *self._ruling_problems(expected, rendered, diagnosis))

    def _ruling_problems(self, expected: Expectation, plan: Plan, diagnosis: Diagnosis) -> Iterator[str]:
        if expected.ruling is None:
            return
        if self.decide is None:
            yield f"expected the ruling {expected.ruling}, and no policy was given to ask"
            return
        decision = self.decide(plan, self.service, diagnosis)
        if decision.ruling is not expected.ruling:
            yield f"expected the ruling {expected.ruling}, got {decision.ruling} by {decision.rule}: {decision.reason}"

    def _foreign(self, case: CaseForm) -> Iterator[str]:
        known = {step.id for step in self.loaded.playbook.find}
        for name in sorted({*case.finds, *case.unknown} - known):
            yield f"the playbook has no find {name!r}"


@dataclass(slots=True)
class _Stubs:
    """Eyes that see what the case says, and hands that name the targets it says."""

    case: CaseForm
    finds: Iterator[str]

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        name = next(self.finds)
        if name in self.case.finds:
            return Known(value=self.case.finds[name])
        return Unknown(why=self.case.unknown.get(name, f"the case says nothing about the find {name!r} ({uses})"))

    def targets(self, uses: str, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        if uses in self.case.targets:
            return tuple(Target.parse(key) for key in self.case.targets[uses])
        return _plain_targets(uses, literal(parameters))

    def predict(self, uses: str, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        return {}


def _plain_targets(uses: str, parameters: Mapping[str, JsonValue]) -> tuple[Target, ...] | Refusal:
    kind = uses.partition(".")[0]
    process, path = parameters.get("process"), parameters.get("path")
    if isinstance(process, dict):
        return (Target(kind=kind, host=_HOST, id=f"{process.get('pid')}@{process.get('started_at')}"),)
    if isinstance(path, str):
        return (Target(kind=kind, host=_HOST, id=path),)
    why = f"the case does not say what {uses} would write"
    return Refusal(rule="no-target", why=why, next="Add it under `targets`, by the name of the action.")


def _plan_problems(expected: Expectation, plan: Plan) -> Iterator[str]:
    if expected.steps is not None:
        wanted, got = [step.id for step in expected.steps], [step.id for step in plan.steps]
        if wanted != got:
            yield f"expected the steps {wanted}, got {got}"
        for form, step in zip(expected.steps, plan.steps, strict=False):
            if form.id == step.id:
                yield from _step_problems(form, step)
    if sorted(expected.skipped) != sorted(step.id for step in plan.skipped):
        yield f"expected to skip {sorted(expected.skipped)}, skipped {sorted(step.id for step in plan.skipped)}"
    if expected.reversibility and plan.reversibility is not expected.reversibility:
        yield f"expected the plan to be {expected.reversibility}, it is {plan.reversibility}"


def _step_problems(form: StepForm, step: PlannedStep) -> Iterator[str]:
    if form.uses != step.uses:
        yield f"step {form.id}: expected {form.uses}, got {step.uses}"
    for name, wanted in form.parameters.items():
        if name not in step.parameters:
            yield f"step {form.id}: has no parameter {name!r}"
        elif not _agrees(wanted, step.parameters[name]):
            yield f"step {form.id}: expected {name} to be {wanted!r}, got {step.parameters[name]!r}"
    targets: Sequence[str] = [target.key for target in step.targets]
    if form.targets is not None and list(form.targets) != targets:
        yield f"step {form.id}: expected the targets {list(form.targets)}, got {targets}"


def _agrees(wanted: JsonValue, got: JsonValue) -> bool:
    """Tell whether a value is as wanted; of an object only the named fields are compared."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return all(name in got and _agrees(value, got[name]) for name, value in wanted.items())
    return equal(wanted, got)


def _incident(case: CaseForm, service: Service) -> Incident:
    return Incident(
        id="incident-1",
        fingerprint="fingerprint-1",
        service=service.name,
        environment=service.environment,
        title=case.incident.title,
        labels=case.incident.labels,
        signal_id="signal-1",
        count=case.incident.count,
        first_seen=_THEN,
        last_seen=_THEN,
    )


def _diagnosis(case: CaseForm) -> Diagnosis:
    return Diagnosis(
        incident_id="incident-1",
        cause=case.cause,
        confidence=case.confidence,
        knowledge_digest="sha256:" + "0" * 64,
        at=_THEN,
    )
