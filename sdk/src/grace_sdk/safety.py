"""Safety: the one place where a fault of ours, or of an object handed to us, ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Fault(NamedTuple):
    """What went wrong inside a guarded call, as a value."""

    type: str


def attempt(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Fault:
    """Return what `call` returns, or a Fault if it raised; requests to end the process pass."""
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the catch-all of the SDK: hostile objects and our own mistakes stop here
        return Fault(type(error).__name__)
