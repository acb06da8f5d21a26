"""A line to one HTTP server with one limit of time on the whole: connecting, sending, and all of the answer."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPConnection, HTTPSConnection
from typing import Final

PORTS: Final = {"http": 80, "https": 443}


class HttpLine:
    """One connection that is cut when its time is over, whatever the other end does.

    A server that drips its answer would never trip a limit on single reads. After the cut every use of the line raises
    OSError or ends early: ask `is_late` before what was read counts as whole.
    """

    def __init__(self, scheme: str, host: str, port: int, timeout_s: float) -> None:
        self.is_late = False
        self._scheme = scheme
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._deadline = threading.Timer(timeout_s, self._cut)
        self._deadline.daemon = True

    def connect(self, addresses: Iterable[str]) -> None:
        """Connect to the first address that answers and start the clock; raise OSError or UnicodeError.

        `addresses` is read while the clock runs: looking a name up takes its part of the time.
        """
        self._deadline.start()
        error: OSError | None = None
        for address in addresses:
            try:
                self._socket = socket.create_connection((address, self._port), self._timeout_s)
            except OSError as refused:
                error = refused
                continue
            if self._scheme == "https":
                self._encrypt(self._socket)
            self.require_in_time()
            return
        raise error or OSError("the name has no address")

    @property
    def peer(self) -> tuple[str, int]:
        """Return address and port of the other end."""
        assert self._socket is not None, "connected"  # noqa: S101 - a line that is used before it stands
        address, port = self._socket.getpeername()[:2]
        return address, port

    def http(self) -> HTTPConnection:
        """Return a client that speaks over this line and never opens another."""
        if self._scheme == "https":
            client: HTTPConnection = HTTPSConnection(self._host, self._port, context=trust())
        else:
            client = HTTPConnection(self._host, self._port)
        client.sock = self._socket
        client.auto_open = 0
        return client

    def require_in_time(self) -> None:
        """Raise TimeoutError after the cut: what looks like an end was our own hanging up."""
        if self.is_late:
            raise TimeoutError

    def hang_up(self) -> None:
        self._deadline.cancel()
        if self._socket is not None:
            self._socket.close()

    def reason(self, error: Exception) -> str:
        """Say in a few words why the line failed."""
        if self.is_late or isinstance(error, TimeoutError):
            return f"not within {self._timeout_s:g} s"
        return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__

    def _encrypt(self, plain: socket.socket) -> None:
        # Known before the handshake, so that the cut reaches a server that never ends it.
        self._socket = trust().wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)
        self._socket.do_handshake()

    def _cut(self) -> None:
        self.is_late = True
        if self._socket is not None:
            with suppress(OSError):
                # The plain verb: the one of an encrypted socket would change what the other thread is reading from.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """Read the system's trusted authorities once: it takes tens of milliseconds."""
    return ssl.create_default_context()
