"""The format of a knowledge file, version 1."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from grace.model.diagnosis import UNKNOWN_CAUSE
from grace.model.noun import Noun

LONGEST_PATTERN: Final = 1000

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression: capitals do not matter, `^` and `$` mean lines."""
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _expression(pattern: str) -> str:
    if len(pattern) > LONGEST_PATTERN:
        message = f"an expression has at most {LONGEST_PATTERN} characters"
        raise ValueError(message)
    try:
        matches_nothing = compiled(pattern).search("") is not None
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from error
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
    """Anywhere in the title, the message or an exception's message."""
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


class Sample(Noun):
    """A signal as an example: only what a rule looks at."""

    title: str = ""
    message: str = ""
    type: str = ""
    frames: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)


class Examples(Noun):
    """What the rule must find and what it must leave alone; held against it whenever the file is loaded."""

    positive: Annotated[tuple[str | Sample, ...], Field(min_length=1)]
    negative: Annotated[tuple[str | Sample, ...], Field(min_length=1)]


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
    source: Annotated[str, Field(min_length=8, max_length=300)]
    """Where this is published: a document, its chapter, the code or name."""
    checks: tuple[str, ...] = ()
    """What a person would look at next."""
    playbooks: tuple[Name, ...] = ()
    examples: Examples


class KnowledgePack(Noun):
    """A file of rules."""

    format: Literal[1]
    pack: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    summary: Annotated[str, Field(min_length=1, max_length=400)]
    rules: Annotated[tuple[KnowledgeRule, ...], Field(min_length=1)]
