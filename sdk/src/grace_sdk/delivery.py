"""Delivery: one HTTP connection to GRACE's native door, kept open."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from grace_sdk.dsn import Dsn

_DOOR: Final = "/api/intake/native"
_LONGEST_ANSWER: Final = 1024 * 1024
_LONGEST_DETAIL: Final = 300
_LONGEST_RETRY_AFTER_S: Final = 300.0
_REFUSED_FOR_GOOD: Final = frozenset({400, 413, 422})


class Delivered(NamedTuple):
    """The server answered for every signal: it keeps them, or refuses `refused` of them for good."""

    kept: int
    refused: int
    why: str


class Postponed(NamedTuple):
    """The server could not be reached or cannot take signals now; all may be sent again."""

    why: str
    after_s: float


Outcome: TypeAlias = "Delivered | Postponed"


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
        self._headers = {"Authorization": f"Bearer {dsn.token}", "Content-Type": "application/json"}

    def deliver(self, lines: list[bytes]) -> Outcome:
        """Send signals; when the server refuses some for good, find them so that the others arrive."""
        if not lines:
            return Delivered(0, 0, "")
        answer = self._send(b'{"signals":[' + b",".join(lines) + b"]}")
        if isinstance(answer, Postponed):
            return answer
        if answer.status in _REFUSED_FOR_GOOD:
            return self._halved(lines) if len(lines) > 1 else Delivered(0, 1, _reason(answer))
        if _keeps(answer, len(lines)):
            return Delivered(len(lines), 0, "")
        return Postponed(_reason(answer), _seconds(answer.retry_after))

    def close(self) -> None:
        self._connection.close()

    def _halved(self, lines: list[bytes]) -> Outcome:
        middle = len(lines) // 2
        first = self.deliver(lines[:middle])
        if isinstance(first, Postponed):
            return first
        second = self.deliver(lines[middle:])
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
