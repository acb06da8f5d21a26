"""References to secrets: what plans, playbooks and declarations hold in their place, and how they are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from grace.kit.secrets import MARK, names_a_secret

_REFERENCE: Final = r"^((?:Bearer|Basic) )?(env:[A-Za-z_][A-Za-z0-9_]*|file:/\S+)$"
_TOKEN: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"  # noqa: S105 - what RFC 9110 calls a token
_IN_A_HEADER: Final = r"^[\t\x20-\x7e\xa0-\xff]*$"
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "idempotency-key"}
)


def _not_ours(name: str) -> str:
    if name.lower() in _OURS:
        message = f"{name} is set by GRACE"
        raise ValueError(message)
    return name


def _not_secret(name: str) -> str:
    if names_a_secret(name):
        message = f"{name} holds a secret: name where it is kept under `headers_from`, like `Bearer env:TOKEN`"
        raise ValueError(message)
    return name


SecretReference: TypeAlias = Annotated[str, Field(pattern=_REFERENCE, max_length=4096)]
"""`env:NAME` or `file:/path`, perhaps after `Bearer ` or `Basic `: what a plan holds in place of a secret."""
HeaderName: TypeAlias = Annotated[str, Field(pattern=_TOKEN, max_length=100), AfterValidator(_not_ours)]
HeaderValue: TypeAlias = Annotated[str, Field(pattern=_IN_A_HEADER, max_length=4096)]
PlainHeaders: TypeAlias = Annotated[
    dict[Annotated[HeaderName, AfterValidator(_not_secret)], HeaderValue],
    Field(default_factory=dict, max_length=50, description="Headers that anybody may read."),
]
SecretHeaders: TypeAlias = Annotated[
    dict[HeaderName, SecretReference],
    Field(default_factory=dict, max_length=10, description="Headers whose value is read just before it is sent."),
]

Resolve: TypeAlias = Callable[[str], str | None]
"""From `env:NAME` or `file:/path` to what stands there; None when it names nothing."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Secrets for the length of one exchange: the bare values, and the headers made of them, in lower case."""

    values: tuple[str, ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A reference that names no secret, or one that cannot be sent."""

    why: str


def fill_headers(headers: Mapping[str, str], secret: Resolve) -> Filled | Unfilled:
    """Return the headers with their secrets in them, or which of them has none."""
    values: list[str] = []
    filled: dict[str, str] = {}
    for name, reference in headers.items():
        read = _read(reference, secret)
        if read is None or not re.fullmatch(_IN_A_HEADER, read[1]):
            return Unfilled(f"{reference} names no secret that can be sent as {name}.")
        values.append(read[0])
        filled[name.lower()] = read[1]
    return Filled(tuple(values), filled)


def named_twice(*headers: Iterable[str]) -> bool:
    """Tell whether a header stands in several groups, or twice in one: case does not count."""
    names = [name.lower() for group in headers for name in group]
    return len(set(names)) < len(names)


def without(secrets: Iterable[str], text: str) -> str:
    """Return a text in which these very secrets do not stand."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        text = text.replace(secret, MARK)
    return text


def _read(reference: str, secret: Resolve) -> tuple[str, str] | None:
    """Return the secret alone and with its scheme, None when the reference names nothing."""
    found = re.match(_REFERENCE, reference)
    value = None if found is None else secret(found[2])
    return None if found is None or not value else (value, (found[1] or "") + value)
