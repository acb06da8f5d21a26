"""How a message is put: what in it is a mere name, what is denied, where its innermost cause stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from grace.think.knowledge.calm import denials, settings_and_results

LONGEST_TEXT: Final = 8192
NAMED: Final = 0.3
"""How much a match counts that stands wholly inside a path, an address, a request line or the name of something."""
DENIED: Final = 0.25
"""How much a match counts that is denied: `no timeout`, `0 errors: connection refused`."""
_DEEPEST_GAIN: Final = 0.12
_CONTROL: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NAMES: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>)\]]+"  # an address
    r"|(?<![\w/])(?:~|\.{1,2})?/(?:[\w.@+=,-]+/)*[\w.@+=,-]+"  # a path
    r"|(?<![\w.])[\w.-]+/[\w./-]+\.\w{1,8}\b"  # a relative path of a file
    r"|[\w.+-]{1,64}@[\w-]+\.[\w.-]+"  # a mail address
    r"|\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) [^\"]{0,2000}\""  # the line of a request
    r"|\b(?:user(?:name)?|login|role|database|db|table|relation|file|path|topic|queue|bucket|column|branch|tag|"
    r"job|task|test|service|container|pod|index|key|title|subject|commit|(?<![,{] )message|label)[ =:]{1,2}"
    r"(?:\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|`[^`\n]{1,200}`)",
    re.IGNORECASE,
)
_DENIAL: Final = re.compile(
    r"(?:\b(?:no|without(?: an?y?)?|never|zero|0|no longer|not(?: be| been| a| an)?|isn't|wasn't|avoids?|prevents?|"
    r"fix(?:e[sd])?|resolve[sd]|handles?|handling|in case of|recovered from)\s+(?:more\s+|any\s+|the\s+)?)$",
    re.IGNORECASE,
)
_DENIED_AFTER: Final = re.compile(
    r"^[\w ]{0,20}?(?:[=:]\s*(?:0|none|false|no)\b|"
    r"\bs?\s*(?:was |were |is |are )?(?:fixed|resolved|cleared|gone|recovered)\b)",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"^[ \t]*caused by:|: caused by:?|\blast error:|\breason:|\bdetails?\s?=|\broot cause:|:\s(?=[A-Za-z(\[<'\"])",
    re.IGNORECASE | re.MULTILINE,
)
_REVERSED: Final = re.compile(
    r"^(?:The above exception was the direct cause|During handling of the above exception)", re.MULTILINE
)
_WORDS_IN_NAME: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMPOUND: Final = re.compile(
    r"\b(?:[A-Z][a-z0-9]+){2,8}\b|\b[a-z0-9]+(?:_[a-z0-9]+){1,6}\b|\b[A-Z]+(?:_[A-Z]+){1,6}\b"
)
_MOST_COMPOUNDS: Final = 40


@dataclass(frozen=True)
class Wording:
    """One text, bounded and without colours, with the places in it that only name something."""

    text: str
    said: int = -1
    """How much of it was said; what follows spells out the names in it."""

    @cached_property
    def names(self) -> tuple[tuple[int, int], ...]:
        return tuple(found.span() for found in _NAMES.finditer(self.text))

    @cached_property
    def small(self) -> str:
        """Return the text in small letters; empty where capitals of other alphabets leave that unclear."""
        return self.text.lower() if self.text.isascii() else ""

    def may_hold(self, needles: tuple[str, ...] | None) -> bool:
        """Tell whether the text may match an expression with these needles; no needles or no clear text: it may."""
        small = self.small
        if not needles or (not small and self.text):
            return True
        for one in needles:  # noqa: SIM110 - a generator costs more than what it asks, hundreds of times a message
            if one in small:
                return True
        return False

    @cached_property
    def links(self) -> tuple[int, ...]:
        """Return where one step of a chain of causes passes on to the next."""
        return tuple(found.end() for found in _LINK.finditer(self.text))

    @cached_property
    def is_reversed(self) -> bool:
        """Tell whether the innermost cause comes first, as in Python's chains of tracebacks."""
        return _REVERSED.search(self.text) is not None

    @cached_property
    def _denials(self) -> tuple[tuple[int, int], ...]:
        return denials(self.text)

    @cached_property
    def _settings(self) -> tuple[tuple[int, int], ...]:
        return settings_and_results(self.text)

    def is_calm(self, start: int, end: int) -> bool:
        """Tell whether a match is part of a setting or a result, or ends in what is said not to be there."""
        return any(first <= start and end <= last for first, last in self._settings) or any(
            first < end <= last for first, last in self._denials
        )

    def weight(self, start: int, end: int) -> float:
        """Return how much a match at this place counts: 1 at the innermost cause, less where it is named or denied."""
        weight = 1 - _DEEPEST_GAIN * (1 - self._depth(start))
        if any(first <= start and end <= last for first, last in self.names):
            weight *= NAMED
        if _DENIAL.search(self.text[max(0, start - 24) : start]) or _DENIED_AFTER.search(self.text[end : end + 32]):
            weight *= DENIED
        return weight

    def _depth(self, start: int) -> float:
        if not self.links:
            return 1.0
        depth = sum(1 for link in self.links if link <= start) / len(self.links)
        return 1 - depth if self.is_reversed else depth


NOTHING: Final = Wording("")


def wording_of(text: str) -> Wording:
    """Return the text, at most the longest, its colours removed, the names in it spelled out below it."""
    plain = Wording(bounded(_CONTROL.sub("", text)))
    return _with(spelled_names(plain.text, plain), plain.text)


def wording_of_name(name: str) -> Wording:
    """Return the name of a type or a place, spelled out below: it sets nothing, and no test passed in it."""
    plain = bounded(name)
    return _with(spelled_names(plain), plain)


def _with(spelled: str, plain: str) -> Wording:
    return Wording(f"{plain}\n{spelled}" if spelled else plain, len(plain))


def bounded(text: str) -> str:
    """Keep the beginning and the end: the end of a long message is where the error of a traceback stands."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]}\n{text[-half:]}"


def spelled_names(text: str, of: Wording | None = None) -> str:
    """Return names that are made of words as words: `ConnectTimeoutError` says connect timeout error.

    `of` is the message that the text is: there the name of a test that passed, or of a thing that is merely set, is
    not spelled, for it reports nothing.
    """
    found = (one for one in _COMPOUND.finditer(text) if of is None or not of.is_calm(*one.span()))
    compounds = dict.fromkeys(one[0] for one in found)
    return "; ".join(" ".join(_WORDS_IN_NAME.findall(one)).lower() for one in list(compounds)[:_MOST_COMPOUNDS])
