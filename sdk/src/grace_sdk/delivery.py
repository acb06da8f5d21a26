"""Delivery: one HTTP connection to GRACE's native door, kept open."""

from __future__ import annotations

import http.client
import json
import os
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from grace_sdk.outcome import Delivered, Postponed

if TYPE_CHECKING:
    from grace_sdk.dsn import Dsn
    from grace_sdk.outcome import Outcome

_DOOR: Final = "/api/intake/native"
_LONGEST_ANSWER: Final = 1024 * 1024
_LONGEST_DETAIL: Final = 300
_LONGEST_RETRY_AFTER_S: Final = 300.0
_REFUSED_FOR_GOOD: Final = frozenset({400, 413, 422})


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str


class Delivery:
    """Send rendered signals; for one thread only."""

    def __init__(self, dsn: Dsn, timeout_s: float) -> None:
        parts = urlsplit(dsn.server)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connect(parts.hostname or "", parts.port, timeout=timeout_s)
        self._path = f"{parts.path}{_DOOR}"
        self._tells_sessions = True
        self._headers = {"Authorization": f"Bearer {dsn.token}", "Content-Type": "application/json"}

    def deliver(self, lines: list[bytes], sessions: bytes = b"[]") -> Outcome:
        """Send signals and what is known of sessions; signals that are refused for good hold up no others."""
        answer = self._send(self._body(lines, sessions))
        if isinstance(answer, Postponed):
            return answer
        if answer.status in _REFUSED_FOR_GOOD:
            return self._refused(lines, sessions, answer)
        if _keeps(answer, len(lines)):
            return Delivered(len(lines), 0, "")
        return Postponed(_reason(answer), _seconds(answer.retry_after))

    def close(self) -> None:
        self._connection.close()

    def abandon(self) -> None:
        """Close the socket without a word: in a forked child the connection is the parent's."""
        if self._connection.sock is not None:
            os.close(self._connection.sock.detach())

    def _body(self, lines: list[bytes], sessions: bytes) -> bytes:
        told = b',"sessions":' + sessions if self._tells_sessions else b""
        return b'{"signals":[' + b",".join(lines) + b"]" + told + b"}"

    def _refused(self, lines: list[bytes], sessions: bytes, answer: _Answer) -> Outcome:
        """Find what is refused: the word about sessions, by a server that does not know it, or one of the signals."""
        if self._tells_sessions and len(lines) <= 1:
            self._tells_sessions = False
            outcome = self.deliver(lines, sessions)
            # A single signal that is refused without them as well says nothing about the sessions.
            self._tells_sessions = isinstance(outcome, Delivered) and outcome.refused > 0
            return outcome
        if not lines:
            return Delivered(0, 0, "")
        return self._halved(lines, sessions) if len(lines) > 1 else Delivered(0, 1, _reason(answer))

    def _halved(self, lines: list[bytes], sessions: bytes) -> Outcome:
        middle = len(lines) // 2
        first = self.deliver(lines[:middle], sessions)
        if isinstance(first, Postponed):
            return first
        second = self.deliver(lines[middle:], sessions)
        if isinstance(second, Postponed):
            return second
        return Delivered(first.kept + second.kept, first.refused + second.refused, first.why or second.why)

    def _send(self, body: bytes) -> _Answer | Postponed:
        reused = self._connection.sock is not None
        answer = self._exchange(body)
        # A kept connection may have been closed by the other side meanwhile, which says nothing about the server.
        return self._exchange(body) if reused and isinstance(answer, Postponed) else answer

    def _exchange(self, body: bytes) -> _Answer | Postponed:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            content = response.read(_LONGEST_ANSWER)
            if not response.isclosed():
                self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Postponed(f"{type(error).__name__}: {error}"[:_LONGEST_DETAIL], 0.0)
        return _Answer(response.status, content, response.headers.get("Retry-After", ""))


def _keeps(answer: _Answer, count: int) -> bool:
    """Believe only GRACE's own answer, with the right count: a proxy says 200 as well."""
    if answer.status != http.client.ACCEPTED:
        return False
    try:
        match json.loads(answer.body):
            case {"accepted": int(accepted), "duplicates": int(duplicates)}:
                return accepted + duplicates == count
            case _:
                return False
    except ValueError:
        return False


def _reason(answer: _Answer) -> str:
    try:
        match json.loads(answer.body):
            case {"title": str(title), "detail": str(detail)}:
                return f"{answer.status} {title}: {detail}"[:_LONGEST_DETAIL]
            case _:
                return f"{answer.status} without a reason"
    except ValueError:
        return f"{answer.status} that is not an answer of GRACE"


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), _LONGEST_RETRY_AFTER_S) if retry_after.isdecimal() and retry_after.isascii() else 0.0
