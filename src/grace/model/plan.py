"""Plan: a playbook rendered for one incident. Its digest is what is approved and executed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from grace.kit.digests import digest_of
from grace.model.contract import Contract
from grace.model.noun import WITH, Noun
from grace.model.target import Target


class Reversibility(StrEnum):
    """How a deed is taken back. A plan is as reversible as its weakest step."""

    EXACT = "exact"
    COMPENSABLE = "compensable"
    IRREVERSIBLE = "irreversible"


_WEAKEST_FIRST = (Reversibility.IRREVERSIBLE, Reversibility.COMPENSABLE, Reversibility.EXACT)


class Remedy(StrEnum):
    """What follows a contract that is not met."""

    HOLD = "hold"
    ROLL_BACK = "roll_back"


class Call(Noun):
    """A kind and its `with`: one shape for find, do and undo."""

    uses: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)


class Undo(Call):
    """The way back of a compensable step."""

    after_restore: bool = False
    """Done after the snapshots are restored (a reload that must see the old file again), else before."""


class Found(Noun):
    """What a `find` step saw while planning; a literal, read again just before each write."""

    id: str
    uses: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)
    result: JsonValue
    identity: JsonValue = None
    """The part of the result that must still be the same at the moment of the write (the probe says which)."""


THROUGH: Final = "through"
"""Where a prediction tells of symlinks on the way to what is written: each by its place, with where it leads."""


class PlannedStep(Noun):
    """One write, with literal parameters; `${{ do.ID.FIELD }}` may stand only for outputs of earlier writes."""

    id: str
    uses: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict, serialization_alias="with", validation_alias=WITH)
    targets: tuple[Target, ...]
    reversibility: Reversibility
    provider: str | None = None
    """The provider that snapshots what the step writes, where its action is exact."""
    undo: Undo | None = None
    predicted: JsonValue = None
    """What the executor says it will write, as shown to the person who approves."""

    @property
    def kept(self) -> tuple[Target, ...]:
        """Return the targets that its provider snapshots: the command that its undo calls is nothing to keep."""
        return tuple(target for target in self.targets if target.kind != "command") if self.provider else ()


class Skipped(Noun):
    """A step whose `if` was false when planned."""

    id: str
    why: str


class Plan(Noun):
    """Everything that will be done and checked, as literals."""

    format: int = 1
    playbook: str
    version: str
    playbook_digest: str
    incident_id: str
    service: str
    environment: str
    cause: str
    summary: str
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    finds: tuple[Found, ...] = ()
    steps: tuple[PlannedStep, ...]
    skipped: tuple[Skipped, ...] = ()
    contract: Contract
    on_violated: Remedy
    on_inconclusive: Remedy

    __slots__ = ("_digest_known",)  # Which no copy takes along: a changed one has a digest of its own.

    @property
    def digest(self) -> str:
        """Return `sha256:…` over the canonical JSON of the whole plan."""
        known: str | None = getattr(self, "_digest_known", None)
        if known is None:
            known = self.digest_now()
            object.__setattr__(self, "_digest_known", known)
        return known

    def digest_now(self) -> str:
        """Return the digest of what the plan holds now: parameters are objects that somebody may have changed in it."""
        return digest_of(self.to_json())

    @property
    def reversibility(self) -> Reversibility:
        """Return the reversibility of the weakest step."""
        kinds = {step.reversibility for step in self.steps}
        return next((kind for kind in _WEAKEST_FIRST if kind in kinds), Reversibility.EXACT)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return every target once, in the order in which locks are taken."""
        named = {target.key: target for step in self.steps for target in step.targets}
        return tuple(named[key] for key in sorted(named))
