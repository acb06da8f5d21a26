"""One HTTP request on one connection: it is known whether anything was sent, and nothing takes longer than allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

from grace.kit.http_line import PORTS, HttpLine

_LARGEST_BODY: Final = 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024


class NotConnectedError(Exception):
    """There is no connection: nothing was sent."""


class NotAnsweredError(Exception):
    """Something was sent, and no answer came: nobody here knows what it did."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    etag: str
    body: bytes
    is_whole: bool
    """Whether the body is all there: not cut off by the limit, the time or a broken connection."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Place:
        parts: SplitResult = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        return cls(parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/", parts.query)

    @property
    def name(self) -> str:
        """Return `host:port/path`, one name for all spellings of one address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{self.path}"

    @property
    def asked_for(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


class Exchange:
    """A connection that carries one request. Entering it connects, leaving it hangs up."""

    def __init__(self, place: Place, timeout_s: float) -> None:
        self._place = place
        self._line = HttpLine(place.scheme, place.host, place.port, timeout_s)

    def __enter__(self) -> Self:
        """Connect; raise NotConnectedError."""
        try:
            self._line.connect([self._place.host])
        except (OSError, UnicodeError) as error:
            self._line.hang_up()
            message = f"cannot connect to {self._place.host}:{self._place.port}: {self._line.reason(error)}"
            raise NotConnectedError(message) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._line.hang_up()

    @property
    def peer(self) -> tuple[str, int]:
        """Return address and port of the other end."""
        return self._line.peer

    def send(
        self, method: str, headers: Mapping[str, str], body: bytes | None, *, on_sent: Callable[[], None] = lambda: None
    ) -> Answer:
        """Send once and return the answer; raise NotAnsweredError."""
        try:
            client = self._line.http()
            client.request(method, self._place.asked_for, body, {**headers, "connection": "close"})
            on_sent()
            response = client.getresponse()
            self._line.require_in_time()
        except (OSError, HTTPException) as error:
            message = f"no answer from {self._place.host}:{self._place.port}: {self._line.reason(error)}"
            raise NotAnsweredError(message) from error
        with response:
            received, is_whole = _read(response)
        return Answer(
            response.status,
            response.headers.get("content-type", ""),
            response.headers.get("etag", ""),
            received,
            is_whole and not self._line.is_late,
        )


def _read(response: HTTPResponse) -> tuple[bytes, bool]:
    """Return the body up to the limit, and whether that is all of it; the status counts even where the body breaks."""
    received = bytearray()
    try:
        while chunk := response.read(_CHUNK_BYTES):
            received += chunk
            if len(received) > _LARGEST_BODY:
                return bytes(received[:_LARGEST_BODY]), False
    except (OSError, HTTPException):
        return bytes(received), False
    return bytes(received), not response.length
