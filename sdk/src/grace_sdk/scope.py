"""Scope: a unit of work, such as one request or one operation, and the correlation id that belongs to it."""

from __future__ import annotations

import os
from collections import deque
from contextvars import ContextVar

from grace_sdk.safety import Fault, attempt
from grace_sdk.sighting import copy_labels
from grace_sdk.step import Step

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

LONGEST_TRAIL: Final = 32
"""Steps of operations that are remembered."""
LONGEST_CORRELATION_ID: Final = 128
_MOST_OUTER: Final = 16
_ID_BYTES: Final = 8


class Correlation:
    """What all that belongs together has in common: the id that a user is shown, and the last steps."""

    __slots__ = ("has_captured", "id", "trail")

    def __init__(self, identity: str = "") -> None:
        self.id = identity
        """Empty until something was captured or someone asked."""
        self.has_captured = False
        self.trail: deque[Step] = deque(maxlen=LONGEST_TRAIL)

    def known_id(self) -> str:
        """Return the id; make one when nothing was captured yet."""
        if not self.id:
            self.id = os.urandom(_ID_BYTES).hex()
        return self.id


class Scope:
    """Everything captured inside has its labels, those of the scopes around it, and one correlation id."""

    __slots__ = ("correlation", "describe", "outer")

    def __init__(self, describe: Callable[[], Mapping[str, object]], correlation_id: str = "") -> None:
        self.describe = describe
        """Tell the labels; asked at each capture, because a request learns its route on the way."""
        self.outer = current_scope.get()
        inherits = self.outer is not None and not correlation_id
        self.correlation = (
            self.outer.correlation if self.outer is not None and inherits else Correlation(correlation_id)
        )

    def labels(self) -> dict[str, str]:
        """Join the labels of this scope and of those around it; the inner ones win."""
        joined: dict[str, str] = {}
        scope: Scope | None = self
        for _ in range(_MOST_OUTER):
            if scope is None:
                break
            described = attempt(scope.describe)
            joined = {**copy_labels(None if isinstance(described, Fault) else described), **joined}
            scope = scope.outer
        return joined


current_scope: ContextVar[Scope | None] = ContextVar("grace_scope", default=None)


def is_correlation_id(text: str) -> bool:
    """Tell whether a text from outside may be used as a correlation id: short, printable, without blanks."""
    return 0 < len(text) <= LONGEST_CORRELATION_ID and text.isascii() and text.isprintable() and " " not in text
