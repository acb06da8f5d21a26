"""References in parameters to outputs, which are filled in before a deed."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

_OPEN: Final = "${{"


def is_unfilled(parameters: BaseModel) -> bool:
    """Tell whether a reference to an output was left standing because there is no such output."""
    return _OPEN in parameters.model_dump_json()
