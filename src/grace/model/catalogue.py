"""Catalogue: the one list of action and probe names that sentinel, policy, executors and screens share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from grace.model.plan import Reversibility


class Answers(StrEnum):
    """The type of what a probe finds."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    TEXT = "text"
    OBJECT = "object"
    LIST = "list"
    ANYTHING = "anything"
    """Whatever stands there: a value that the parameters point at, in a page, a file or a query."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action as data: its parameters with their bounds, its way back and its reach."""

    name: str
    summary: str
    parameters: type[BaseModel]
    outputs: type[BaseModel] | None
    reversibility: Reversibility
    """The best the action can offer; `compensable` also needs an `undo:` in the step, else it is irreversible."""
    provider: str | None
    """The provider that snapshots its targets, where it is exact."""
    blast_radius: str
    """One phrase: what it can touch at most."""
    may_name_undo: bool = False
    """An exact action whose step may name an `undo` for what lies beside its targets; then it is compensable."""


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A probe as data: its parameters and what it answers."""

    name: str
    summary: str
    parameters: type[BaseModel]
    answers: Answers
    shape: type[BaseModel] | None = None
    """Fields of the answer, where it is an object: lets lint check `find.holder.pid`."""
    identity: tuple[str, ...] = ()
    """Fields that must be unchanged at the moment of the write; empty: the whole answer."""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every action and probe that is wired, by name."""

    actions: Mapping[str, ActionSpec]
    probes: Mapping[str, ProbeSpec]
