"""One POST on one connection: to a judged address, within one limit of time, with no redirect followed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Self
from urllib.parse import urlsplit

from grace.record.mesh.webhooks.addresses import AddressRefusedError, Network, allowed_addresses

_PORTS: Final = {"http": 80, "https": 443}
_USER_AGENT: Final = "grace-webhooks"
_MOST_READ: Final = 64 * 1024


class NotTakenError(Exception):
    """The receiver did not take the message, or nobody knows whether it did: it is sent again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver said. Its body is read to its end, up to a limit, and forgotten: it is theirs, not ours."""

    status: int
    reason: str
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook leads."""

    url: str
    network: Network
    timeout_s: float

    def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once; raise NotTakenError where there is no answer within the limit."""
        with _Connection(self) as connection:
            return connection.post(headers, body)


class _Connection:
    """A connection for one message."""

    def __init__(self, receiver: Receiver) -> None:
        parts = urlsplit(receiver.url)
        self._receiver = receiver
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._socket: socket.socket | None = None
        self._is_late = False
        # A receiver that drips its answer would never trip a limit on single reads: this one is on the whole.
        self._deadline = threading.Timer(receiver.timeout_s, self._give_up)
        self._deadline.daemon = True

    def __enter__(self) -> Self:
        self._deadline.start()
        try:
            self._connect()
        except (OSError, UnicodeError, AddressRefusedError) as error:
            self._hang_up()
            message = f"no connection to {self._host}:{self._port}: {self._reason(error)}"
            raise NotTakenError(message) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = self._over_the_socket()
        told = {"user-agent": _USER_AGENT, "accept": "*/*", **headers, "connection": "close"}
        try:
            connection.request("POST", self._target, body, told)
            response = connection.getresponse()
            with response:
                reply = Reply(response.status, response.reason, response.getheader("retry-after"))
                response.read(_MOST_READ)
            if self._is_late:
                raise TimeoutError
        except (OSError, HTTPException) as error:
            message = f"no answer from {self._host}:{self._port}: {self._reason(error)}"
            raise NotTakenError(message) from error
        return reply

    def _connect(self) -> None:
        error: OSError | None = None
        for address in allowed_addresses(self._host, self._port, self._receiver.network):
            try:
                self._socket = socket.create_connection((address, self._port), self._receiver.timeout_s)
            except OSError as refused:
                error = refused
                continue
            self._encrypt()
            if self._is_late:
                raise TimeoutError
            return
        raise error or OSError("the name has no address")

    def _encrypt(self) -> None:
        if self._scheme == "https" and self._socket is not None:
            encrypted = _trust().wrap_socket(self._socket, server_hostname=self._host, do_handshake_on_connect=False)
            self._socket = encrypted
            encrypted.do_handshake()

    def _over_the_socket(self) -> HTTPConnection:
        if self._scheme == "https":
            connection: HTTPConnection = HTTPSConnection(self._host, self._port, context=_trust())
        else:
            connection = HTTPConnection(self._host, self._port)
        connection.sock = self._socket
        connection.auto_open = 0
        return connection

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
            return f"not within {self._receiver.timeout_s:g} s"
        return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Read the system's trusted authorities once: it takes tens of milliseconds."""
    return ssl.create_default_context()
