"""Carry a failure to the one who asked, instead of letting it end the thread that served them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class Raised:
    error: Exception


def attempt(deed: Callable[[], T]) -> Returned[T] | Raised:
    """Call what somebody plugged in; whatever it raises comes back as a value and must be handed on."""
    try:
        return Returned(deed())
    except Exception as error:  # noqa: BLE001 - the one catch-all: a plug may raise anything, and nothing is dropped here
        return Raised(error)
