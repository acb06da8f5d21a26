"""Refusals at the door: the last few messages that were not taken in, and why, for whoever wonders where they are."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError
from starlette.types import Message, Send

from grace.api.problems import Problem, ProblemError
from grace.kit.clock import Clock
from grace.kit.redaction import redact_text

MOST_KEPT: Final = 100
LONGEST_WHY: Final = 500
FIRST_REFUSAL: Final = 400


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """One message that was not taken in. Nothing of what was sent is kept, but for the names of fields."""

    index: int
    at: datetime
    status: int
    sender: str
    """Whose token it was; empty where it was nobody's that is known."""
    why: str
    next: str


class Refusals:
    """The last refusals since the server started; they lie in memory alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[RefusedMessage] = deque(maxlen=MOST_KEPT)
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """How many there were; the newest has this index."""
        return self._count

    def after(self, index: int) -> tuple[RefusedMessage, ...]:
        """Return those that are kept with a higher index, oldest first."""
        with self._lock:
            return tuple(one for one in self._kept if one.index > index)

    def note(self, status: int, sender: str, why: str, next_step: str) -> None:
        """Keep one; the oldest goes."""
        with self._lock:
            self._count += 1
            said = redact_text(why)[:LONGEST_WHY]
            self._kept.append(RefusedMessage(self._count, self._clock.now(), status, sender, said, next_step))

    def note_problem(self, error: ProblemError, sender: str) -> None:
        self.note(error.problem.status, sender, error.problem.detail, error.problem.next)

    def listening(self, send: Send, sender: Callable[[], str]) -> Send:
        """Return a `send` that notes an answer which refuses; the answer goes out unchanged.

        Who sent is asked at the end: by then the token may have been recognised.
        """
        status = 0

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif status >= FIRST_REFUSAL and message["type"] == "http.response.body":
                self._note_answer(status, sender(), message.get("body", b""))
                status = 0
            await send(message)

        return heard

    def _note_answer(self, status: int, sender: str, body: bytes) -> None:
        try:
            said = Problem.model_validate_json(body)
        except ValidationError:
            self.note(status, sender, "the answer came in pieces", "the sender was told why")
        else:
            self.note(status, sender, said.detail, said.next)
