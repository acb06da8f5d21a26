"""Calls to the server, with ids as people type them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from grace_sdk.client import Client, Json
from pydantic import BaseModel, ConfigDict, ValidationError

from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.kit.wording import in_words

JsonObject = dict[str, Json]
Query = Mapping[str, object]

LAST: Final = "@last"
PREFIXES: Final = {"run": "run", "incident": "inc", "approval": "apr", "token": "tok"}
"""What the ids of each noun begin with."""
_LISTS: Final = {
    "run": "grace runs",
    "incident": "grace incidents",
    "approval": "grace status",
    "token": "grace token list",
}


class CommandFailed(Exception):
    """A command ends here: why, what to try next, and the exit code."""

    def __init__(self, code: Exit, sentence: str, next_step: str) -> None:
        self.code = code
        self.sentence = sentence
        self.next_step = next_step
        super().__init__(sentence)


class View(BaseModel):
    """What a command reads of an answer; a server that says more than that is understood."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


V = TypeVar("V", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Session:
    """One command's way to the server and to the terminal."""

    client: Client
    screen: Screen

    def get(self, path: str, query: Query | None = None) -> JsonObject:
        """Read one document."""
        return _document(self.client.get(path, query), self.client.address)

    def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """Act and read the answer."""
        answer = self.client.post(path, body={} if body is None else body)
        return {} if answer is None else _document(answer, self.client.address)

    def read(self, view: type[V], document: Json) -> V:
        """Read an answer as what this version of the command line knows."""
        try:
            return view.model_validate(document)
        except ValidationError as error:
            raise CommandFailed(
                Exit.FAULT,
                f"{self.client.address} answered what this version does not understand: {in_words(error)}",
                "compare `grace --version` here and on the server",
            ) from error

    def items(self, path: str, query: Query | None = None) -> list[Json]:
        """Read one page of a list."""
        return self.listed(self.get(path, query))

    def listed(self, page: JsonObject) -> list[Json]:
        """Return what is on a page."""
        found = page.get("items")
        return found if isinstance(found, list) else []

    def resolve(self, path: str, written: str, noun: str, last: Query | None = None, *, which: str = "") -> str:
        """Return the whole id for a unique beginning or `@last`; fail where there is none or more than one.

        `last` narrows what `@last` is the newest of; `which` says to what, such as `open`.
        """
        if written != LAST:
            require_beginning(written, noun)
        query: Query = {**(last or {}), "limit": 1} if written == LAST else {"begins": written, "limit": 2}
        ids = [self.read(Named, item).id for item in self.items(path, query)]
        match ids:
            case [one]:
                return one
            case []:
                none = f"no {noun} is {which}" if which else f"there is no {noun} yet"
                sentence = none if written == LAST else f"no {noun} begins with {written}"
            case _:
                sentence = f"{written} begins more than one {noun}: {', '.join(ids)}"
        raise CommandFailed(Exit.USAGE, sentence, _LISTS[noun])


def require_beginning(written: str, noun: str) -> None:
    """Fail unless this is the beginning of one id rather than of all: a prefix alone names nothing by accident."""
    prefix = f"{PREFIXES[noun]}_"
    if not written.strip():
        sentence = f"no {noun} is named: what was given is empty"
    elif prefix.startswith(written.lower()):
        sentence = f"{written} begins the id of every {noun}; give some of the letters behind {prefix}"
    elif not written.lower().startswith(prefix):
        sentence = f"no {noun} begins with {written}: their ids begin with {prefix}"
    else:
        return
    raise CommandFailed(Exit.USAGE, sentence, _LISTS[noun])


class Named(View):
    """Anything with an id."""

    id: str


def _document(answer: Json, address: str) -> JsonObject:
    if isinstance(answer, dict):
        return answer
    raise CommandFailed(Exit.FAULT, f"{address} answered with something that is not an object", "grace status")
