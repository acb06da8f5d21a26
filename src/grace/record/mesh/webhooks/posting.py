"""One POST on one connection: to a judged address, within one limit of time, with no redirect followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final, Self
from urllib.parse import urlsplit

from grace.kit.http_line import PORTS, HttpLine
from grace.record.mesh.webhooks.addresses import AddressRefusedError, Network, allowed_addresses

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
        self._network = receiver.network
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._line = HttpLine(parts.scheme, self._host, self._port, receiver.timeout_s)

    def __enter__(self) -> Self:
        try:
            self._line.connect(self._addresses())
        except (OSError, UnicodeError, AddressRefusedError) as error:
            self._line.hang_up()
            message = f"no connection to {self._host}:{self._port}: {self._line.reason(error)}"
            raise NotTakenError(message) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._line.hang_up()

    def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        told = {"user-agent": _USER_AGENT, "accept": "*/*", **headers, "connection": "close"}
        try:
            client = self._line.http()
            client.request("POST", self._target, body, told)
            response = client.getresponse()
            with response:
                reply = Reply(response.status, response.reason, response.getheader("retry-after"))
                response.read(_MOST_READ)
            self._line.require_in_time()
        except (OSError, HTTPException) as error:
            message = f"no answer from {self._host}:{self._port}: {self._line.reason(error)}"
            raise NotTakenError(message) from error
        return reply

    def _addresses(self) -> Iterator[str]:
        yield from allowed_addresses(self._host, self._port, self._network)
