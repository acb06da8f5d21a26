"""One request as the child sees it: its arguments, its deadline, and a way to ask the parent before going on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

from pydantic import JsonValue

from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault

Send: TypeAlias = Callable[[Mapping[str, JsonValue]], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the parent wants, and until when."""

    id: int
    operation: str
    arguments: dict[str, JsonValue]
    deadline: float
    """On the child's monotonic clock."""
    send: Send
    replies: SimpleQueue[JsonValue | None]

    def text(self, name: str) -> str:
        """Return a text argument; a missing or different one is a bad request."""
        match self.arguments.get(name):
            case str(value):
                return value
            case other:
                raise SqliteFault(FaultKind.BAD_REQUEST, f"{self.operation} needs {name!r} as a text, got {other!r}.")

    def number(self, name: str, default: float) -> float:
        """Return a number argument or its default; anything else is a bad request."""
        match self.arguments.get(name, default):
            case bool() as value:
                raise SqliteFault(FaultKind.BAD_REQUEST, f"{self.operation} needs {name!r} as a number, got {value!r}.")
            case int() | float() as value:
                return value
            case other:
                raise SqliteFault(FaultKind.BAD_REQUEST, f"{self.operation} needs {name!r} as a number, got {other!r}.")

    @property
    def remaining_s(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    @property
    def is_late(self) -> bool:
        return time.monotonic() >= self.deadline

    def ask(self, question: JsonValue) -> JsonValue:
        """Put a question to the parent and wait for its answer; a parent that declines raises a `cancelled` fault.

        A transaction that must not commit before its changeset is durable asks here, inside the transaction.
        """
        self.send({"id": self.id, "ask": question})
        try:
            answer = self.replies.get(timeout=self.remaining_s)
        except Empty:
            answer = None  # A lock must not be held for ever because the parent is stuck.
        if answer is None:
            raise SqliteFault(FaultKind.CANCELLED, f"{self.operation} was called off before it was complete.")
        return answer


Operation: TypeAlias = Callable[[Request], JsonValue]
