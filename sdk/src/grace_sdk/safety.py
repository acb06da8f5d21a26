"""Safety: the one place where a fault of ours, or of an object handed to us, ends."""

from __future__ import annotations

import itertools

from grace_sdk.annotating import NamedTuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")


class Fault(NamedTuple):
    """What went wrong inside a guarded call, as a value."""

    type: str


class Caught:
    """How many faults ended here since the process began; counted without a lock, for finalizers capture too."""

    def __init__(self) -> None:
        self.total = 0
        self._numbers = itertools.count(1)

    def note(self) -> None:
        self.total = next(self._numbers)


caught: Final = Caught()


def attempt(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Fault:
    """Return what `call` returns, or a Fault if it raised; requests to end the process pass."""
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the catch-all of the SDK: hostile objects and our own mistakes stop here
        caught.note()
        return Fault(type(error).__name__)
