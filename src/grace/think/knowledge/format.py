"""The format of a knowledge file, version 1."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, model_validator

from grace.model.diagnosis import UNKNOWN_CAUSE
from grace.model.noun import WITH, Noun
from grace.think.knowledge.needles import runs_away

LONGEST_PATTERN: Final = 1000
CHECKED: Final = "checked"
"""Set in the context of a validation: every expression was compiled and every example held against it before."""
SAID: Final = "said."
"""How a check refers to what the message itself says, as `{said.path}`; anything else is a label of the service."""
HARMLESS: Final = frozenset(
    {
        "host.disk_free_share",
        "host.inodes_free_share",
        "file.exists",
        "file.mode",
        "file.size",
        "process.listener",
    }
)
"""Probes that may be aimed by the words of a message: they read no content, take no lock and call nobody."""
_REFERENCE: Final = re.compile(r"\{([a-z_.]+)\}")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression: capitals do not matter, `^` and `$` mean lines."""
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _expression(pattern: str, info: ValidationInfo) -> str:
    if info.context and info.context.get(CHECKED):
        return pattern
    if len(pattern) > LONGEST_PATTERN:
        message = f"an expression has at most {LONGEST_PATTERN} characters"
        raise ValueError(message)
    try:
        matches_nothing = compiled(pattern).search("") is not None
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from error
    if part := runs_away(pattern):
        message = f"{part!r} repeats what is itself repeated, and on some texts would never end: drop one of the two"
        raise ValueError(message)
    if matches_nothing:
        message = f"{pattern!r} matches an empty text, and so every text"
        raise ValueError(message)
    return pattern


def _cause(cause: str) -> str:
    if cause == UNKNOWN_CAUSE:
        message = f"{UNKNOWN_CAUSE!r} is what is said when no rule matches; no rule can find it"
        raise ValueError(message)
    return cause


Expression = Annotated[str, AfterValidator(_expression)]
Cause = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), AfterValidator(_cause)]


class Condition(Noun):
    """What one place of a signal must show: all of these at once, about the same exception or line."""

    text: Expression | None = None
    """Anywhere in the title, the message or an exception's message. Named groups become labels of the diagnosis."""
    type: Expression | None = None
    """In the full name of an exception's type, as `sqlite3.OperationalError`."""
    frame: Expression | None = None
    """In one of its frames, as `orders.store:save (orders/store.py)`."""
    labels: dict[str, Expression] = Field(default_factory=dict)
    """In labels of the signal or incident."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.text or self.type or self.frame or self.labels):
            message = "needs at least one of text, type, frame and labels"
            raise ValueError(message)
        return self


class Signature(Noun):
    """When a rule matches: every one of `all`, at least one of `any` where there are some, and none of `none`."""

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.all or self.any):
            message = "needs a condition under `all` or `any`"
            raise ValueError(message)
        return self

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return (*self.all, *self.any, *self.none)


class Answer(Noun):
    """What a probe has to answer: exactly one of these."""

    equals: JsonValue = Field(default=None, alias="is")
    below: float | None = None
    above: float | None = None
    matches: Expression | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if len(self.model_fields_set) != 1:
            message = "needs exactly one of is, below, above and matches"
            raise ValueError(message)
        return self

    def is_met_by(self, value: JsonValue) -> bool:
        """Tell whether the value is such an answer; types are exact."""
        if self.matches is not None:
            return isinstance(value, str) and compiled(self.matches).search(value) is not None
        if self.below is not None or self.above is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return value < self.below if self.below is not None else value > (self.above or 0.0)
        return type(value) is type(self.equals) and value == self.equals


class Check(Noun):
    """A look at the world that speaks for a cause or against it; it only reads."""

    probe: Annotated[str, Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")]
    parameters: dict[str, JsonValue] = Field(default_factory=dict, validation_alias=WITH, serialization_alias="with")
    confirms: Answer | None = None
    refutes: Answer | None = None
    tells: Annotated[str, Field(min_length=8, max_length=200)]

    @model_validator(mode="after")
    def _decides(self) -> Self:
        if self.confirms is None and self.refutes is None:
            message = "needs an answer that confirms or one that refutes"
            raise ValueError(message)
        if self.asks_what_is_said and self.probe not in HARMLESS:
            known = ", ".join(sorted(HARMLESS))
            message = f"{self.probe} must not be aimed by the words of a message; these may: {known}"
            raise ValueError(message)
        return self

    @property
    def references(self) -> frozenset[str]:
        """Return what the parameters refer to."""
        texts = [value for value in self.parameters.values() if isinstance(value, str)]
        return frozenset(name for text in texts for name in _REFERENCE.findall(text))

    @property
    def asks_what_is_said(self) -> bool:
        """Tell whether the words of a message aim it."""
        return any(name.startswith(SAID) for name in self.references)

    def aimed(self, values: dict[str, str]) -> dict[str, JsonValue] | None:
        """Return the parameters with the values put in; None where one is not known."""
        if not self.references <= set(values):
            return None
        return {name: _filled(value, values) for name, value in self.parameters.items()}


def _filled(value: JsonValue, values: dict[str, str]) -> JsonValue:
    if not isinstance(value, str):
        return value
    filled = _REFERENCE.sub(lambda found: values[found[1]], value)
    is_number = _REFERENCE.fullmatch(value) and filled.isdecimal() and len(filled) < len(str(2**53))
    return int(filled) if is_number else filled


class Sample(Noun):
    """A signal as an example: only what a rule looks at."""

    title: str = ""
    message: str = ""
    type: str = ""
    frames: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return what it says in one text."""
        said = f"{self.type}: {self.message}" if self.type else self.message
        return f"{self.title}\n{said}" if self.title else said


class Examples(Noun):
    """What the rule must find and what it must leave alone; held against it whenever the file is loaded."""

    positive: Annotated[tuple[str | Sample, ...], Field(min_length=1)]
    negative: Annotated[tuple[str | Sample, ...], Field(min_length=1)]


class Source(Noun):
    """Where something is published: a title to cite, and its address."""

    title: Annotated[str, Field(min_length=8, max_length=300)]
    address: Annotated[str, Field(pattern=r"^https://[^\s]+$", max_length=300)]


class KnowledgeRule(Noun):
    """One way in which a cause shows itself."""

    id: Name
    cause: Cause
    title: Annotated[str, Field(min_length=1, max_length=200)]
    signature: Signature
    confidence: float = Field(gt=0, lt=1)
    """How sure a match makes us of the cause, when nothing speaks against it."""
    explains: tuple[Cause, ...] = ()
    """Causes that are consequences of this one: where both match, they are no contradiction."""
    wraps: bool = False
    """It only says that a program stopped; where another rule finds what it stopped for, that is the cause."""
    source: Annotated[str, Field(min_length=8, max_length=300)] | Source
    """Where this is published: a document, its chapter, the code or name."""
    versions: Annotated[str, Field(min_length=1, max_length=200)] = "any"
    """The programs and versions that it applies to."""
    labels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,30}$")], str] = Field(default_factory=dict)
    """Labels that a match gives to the diagnosis, beside the named groups of its expressions."""
    checks: tuple[str | Check, ...] = ()
    """Looks that confirm or refute, and questions for a person."""
    advice: Annotated[str, Field(max_length=1000)] = ""
    """What a person does about it, in plain words."""
    playbooks: tuple[Name, ...] = ()
    examples: Examples

    @property
    def citation(self) -> str:
        """Return the source in one line."""
        return self.source if isinstance(self.source, str) else f"{self.source.title} <{self.source.address}>"

    @property
    def looks(self) -> tuple[Check, ...]:
        return tuple(one for one in self.checks if isinstance(one, Check))

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(one for one in self.checks if isinstance(one, str))


class Heard(Noun):
    """Messages that programs really write when the cause is this: what the model of words learns from."""

    cause: Cause
    messages: Annotated[tuple[str, ...], Field(min_length=1)]


class KnowledgePack(Noun):
    """A file of rules."""

    format: Literal[1]
    pack: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    summary: Annotated[str, Field(min_length=1, max_length=400)]
    rules: tuple[KnowledgeRule, ...] = ()
    heard: tuple[Heard, ...] = ()

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not (self.rules or self.heard):
            message = "needs rules"
            raise ValueError(message)
        return self
