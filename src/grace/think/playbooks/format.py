"""The format of a playbook, version 1: what may stand in the file, before anything is looked up or resolved."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, JsonValue, model_validator

from grace.model.contract import ClauseSource, Comparator, Phase
from grace.model.noun import Noun
from grace.model.plan import Remedy
from grace.model.quantities import Duration, WrittenShare

SEMANTIC_VERSION: Final = r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$"
LONGEST_WAIT_S: Final = 24 * 3600.0
FIRST_PRIORITY: Final = 1
ORDINARY_PRIORITY: Final = 100

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
KindName = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Sentence = Annotated[str, Field(min_length=1, max_length=400)]
Expression = Annotated[str, Field(min_length=1, max_length=2000)]
Wait = Annotated[Duration, Field(le=LONGEST_WAIT_S)]
Parameters = dict[str, JsonValue]
_Word = TypeVar("_Word", bound=StrEnum)


class Written(Noun):
    """A part of the file: only the names of the format are read, not those that Python needs instead."""

    model_config = ConfigDict(populate_by_name=False, defer_build=True)


class InputType(StrEnum):
    """What an input may be. A duration becomes seconds, a share (`20%`) a fraction."""

    TEXT = "text"
    PATH = "path"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    SHARE = "share"


class Input(Written):
    """A value that the playbook needs: a person's, else `from` the incident or service, else the default."""

    type: InputType
    source: Expression | None = Field(alias="from", default=None)
    default: str | int | float | bool | None = None
    at_least: float | str | None = None
    at_most: float | str | None = None
    one_of: tuple[str | int | float, ...] = ()
    summary: str = ""


class When(Written):
    """The cause that this playbook heals, and labels that the incident (else the service) must carry."""

    cause: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    labels: dict[str, str] = Field(default_factory=dict)


class FindStep(Written):
    """A read-only look at the world while planning."""

    id: Identifier
    uses: KindName
    parameters: Parameters = Field(alias="with", default_factory=dict)


class UndoStep(Written):
    """The call that takes a compensable step back."""

    uses: KindName
    parameters: Parameters = Field(alias="with", default_factory=dict)
    after_restore: bool = False
    """True: called after the snapshots are restored, as a reload that must see the old file; else before."""


class DoStep(Written):
    """One write."""

    id: Identifier
    uses: KindName
    condition: Expression | None = Field(alias="if", default=None)
    parameters: Parameters = Field(alias="with", default_factory=dict)
    undo: UndoStep | None = None


_SOURCES: Final = {source.value: source for source in ClauseSource}
_COMPARATORS: Final = {"is_" if one is Comparator.IS else one.value: one for one in Comparator}
"""Each by the field that it is written in."""


class ClauseForm(Written):
    """One expectation: exactly one of `probe`, `metric`, `benchmark`, and exactly one comparison."""

    probe: KindName | None = None
    metric: Annotated[str, Field(pattern=r"^service\.[A-Za-z0-9_-]+$")] | None = None
    benchmark: Annotated[str, Field(pattern=r"^service\.[A-Za-z0-9_-]+$")] | None = None
    parameters: Parameters = Field(alias="with", default_factory=dict)
    is_: JsonValue = Field(alias="is", default=None)
    is_not: JsonValue = None
    at_most: float | str | None = None
    at_least: float | str | None = None
    worsens_at_most: WrittenShare | None = None
    within: Wait | None = None
    for_: Wait | None = Field(alias="for", default=None)
    every: Annotated[Duration, Field(gt=0, le=LONGEST_WAIT_S)] | None = None
    required: bool = True

    @model_validator(mode="after")
    def _has_one_source_and_one_comparison(self) -> Self:
        if len(self._written(_SOURCES)) != 1:
            message = "needs exactly one of probe, metric and benchmark"
            raise ValueError(message)
        if len(self._written(_COMPARATORS)) != 1:
            message = "needs exactly one of is, is_not, at_most, at_least and worsens_at_most"
            raise ValueError(message)
        return self

    @property
    def source(self) -> ClauseSource:
        return self._written(_SOURCES)[0]

    @property
    def name(self) -> str:
        """Return what is measured, as written: `sqlite.writable`, `service.error_rate`."""
        return self.probe or self.metric or self.benchmark or ""

    @property
    def comparator(self) -> Comparator:
        return self._written(_COMPARATORS)[0]

    @property
    def expected(self) -> JsonValue:
        match self.comparator:
            case Comparator.IS:
                return self.is_
            case Comparator.IS_NOT:
                return self.is_not
            case Comparator.AT_MOST:
                return self.at_most
            case Comparator.AT_LEAST:
                return self.at_least
            case Comparator.WORSENS_AT_MOST:
                return self.worsens_at_most

    def _written(self, words: Mapping[str, _Word]) -> list[_Word]:
        fields = self.model_fields_set
        return [word for field, word in words.items() if field in fields]


class ContractForm(Written):
    """What must hold before the first write, throughout, and after the last."""

    before: tuple[ClauseForm, ...] = ()
    throughout: tuple[ClauseForm, ...] = ()
    after: tuple[ClauseForm, ...] = ()

    def of(self, phase: Phase) -> tuple[ClauseForm, ...]:
        match phase:
            case Phase.BEFORE:
                return self.before
            case Phase.THROUGHOUT:
                return self.throughout
            case Phase.AFTER:
                return self.after


class Language(StrEnum):
    """What a playbook is written in."""

    YAML = "yaml"
    PYTHON = "python"


class Heading(Written):
    """What is known of a playbook before it is rendered: its name and version, when it heals, and what it looks for."""

    format: Literal[1]
    name: Name
    version: Annotated[str, Field(pattern=SEMANTIC_VERSION)]
    summary: Sentence
    when: When
    priority: int = Field(default=ORDINARY_PRIORITY, ge=FIRST_PRIORITY, le=1000)
    """The rung on the ladder: among playbooks for one cause the lowest number is tried first."""
    inputs: dict[Identifier, Input] = Field(default_factory=dict)
    find: tuple[FindStep, ...] = ()

    @property
    def ordered_version(self) -> tuple[int, ...]:
        """Return the version as numbers, so that 1.10.0 comes after 1.9.0."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def measures(self) -> frozenset[str]:
        """Return the indicators and benchmarks that a service must declare, as far as the heading tells: none."""
        return frozenset()


class Playbook(Heading):
    """A versioned recipe: when, find, do, undo, contract."""

    do: Annotated[tuple[DoStep, ...], Field(min_length=1, max_length=50)]
    contract: ContractForm
    on_violated: Remedy
    on_inconclusive: Remedy

    @property
    def measures(self) -> frozenset[str]:
        """Return the indicators and benchmarks that a service must declare, as `metric NAME` and `benchmark NAME`."""
        clauses = (clause for phase in Phase for clause in self.contract.of(phase))
        return frozenset(
            f"{clause.source.value} {clause.name.removeprefix('service.')}"
            for clause in clauses
            if clause.source is not ClauseSource.PROBE
        )
