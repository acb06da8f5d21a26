"""One HTTP request on one connection: it is known whether anything was sent, and nothing takes longer than allowed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

_LARGEST_BODY: Final = 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}


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
        port = parts.port or _PORTS[parts.scheme]
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
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._is_late = False
        # A server that drips its answer would never trip a limit on single reads: this one is on the whole.
        self._deadline = threading.Timer(timeout_s, self._give_up)
        self._deadline.daemon = True

    def __enter__(self) -> Self:
        """Connect; raise NotConnectedError."""
        self._deadline.start()
        try:
            self._socket = socket.create_connection((self._place.host, self._place.port), self._timeout_s)
            if self._place.scheme == "https":
                self._socket = self._encrypted(self._socket)
            if self._is_late:
                raise TimeoutError
        except (OSError, UnicodeError) as error:
            self._hang_up()
            message = f"cannot connect to {self._place.host}:{self._place.port}: {self._reason(error)}"
            raise NotConnectedError(message) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    @property
    def peer(self) -> tuple[str, int]:
        """Return address and port of the other end."""
        assert self._socket is not None, "entered"  # noqa: S101 - a connection that is used outside its block
        address, port = self._socket.getpeername()[:2]
        return address, port

    def send(self, method: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send once and return the answer; raise NotAnsweredError."""
        try:
            connection = self._connection()
            connection.request(method, self._place.asked_for, body, {**headers, "connection": "close"})
            response = connection.getresponse()
            if self._is_late:
                raise TimeoutError  # What looks like the end of the headers was our own hanging up.
        except (OSError, HTTPException) as error:
            message = f"no answer from {self._place.host}:{self._place.port}: {self._reason(error)}"
            raise NotAnsweredError(message) from error
        with response:
            received, is_whole = _read(response)
        return Answer(
            response.status,
            response.headers.get("content-type", ""),
            response.headers.get("etag", ""),
            received,
            is_whole and not self._is_late,
        )

    def _connection(self) -> HTTPConnection:
        place = self._place
        if place.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(place.host, place.port, context=trust())
        else:
            connection = HTTPConnection(place.host, place.port)
        connection.sock = self._socket
        connection.auto_open = 0
        return connection

    def _encrypted(self, plain: socket.socket) -> ssl.SSLSocket:
        encrypted = trust().wrap_socket(plain, server_hostname=self._place.host, do_handshake_on_connect=False)
        self._socket = encrypted
        encrypted.do_handshake()
        return encrypted

    def _give_up(self) -> None:
        self._is_late = True
        if self._socket is not None:
            with suppress(OSError):
                # The plain verb: the one of an encrypted socket would change what the other thread is reading from.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _hang_up(self) -> None:
        self._deadline.cancel()
        if self._socket is not None:
            self._socket.close()

    def _reason(self, error: Exception) -> str:
        if self._is_late or isinstance(error, TimeoutError):
            return f"not within {self._timeout_s:g} s"
        return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


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


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """Read the system's trusted authorities once: it takes tens of milliseconds."""
    return ssl.create_default_context()
