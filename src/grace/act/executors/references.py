"""References in parameters: to outputs that are filled in before a deed, and to secrets that stay outside the plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, Field

from grace.kit.secrets import MARK

_OPEN: Final = "${{"
_REFERENCE: Final = r"^((?:Bearer|Basic) )?(env:[A-Za-z_][A-Za-z0-9_]*|file:/\S+)$"

SecretReference: TypeAlias = Annotated[str, Field(pattern=_REFERENCE, max_length=4096)]
"""`env:NAME` or `file:/path`, perhaps after `Bearer ` or `Basic `: what a plan holds in place of a secret."""


def is_unfilled(parameters: BaseModel) -> bool:
    """Tell whether a reference to an output was left standing because there is no such output."""
    return _OPEN in parameters.model_dump_json()


def read_secret(reference: str, secret: Callable[[str], str | None]) -> tuple[str, str] | None:
    """Return the secret alone and with its scheme, None when the reference names nothing."""
    found = re.match(_REFERENCE, reference)
    value = None if found is None else secret(found[2])
    return None if found is None or not value else (value, (found[1] or "") + value)


def without(secrets: Iterable[str], text: str) -> str:
    """Return a text in which these very secrets do not stand."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        text = text.replace(secret, MARK)
    return text
