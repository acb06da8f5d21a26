"""Client: GRACE's HTTP API for Python programs, the command line among them."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Final, Self, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_FIRST_ERROR: Final = 400
_NO_CONTENT: Final = 204
_CHUNK_SIZE: Final = 64 * 1024
_START: Final = "Start it with `grace serve`, or name another address with --server."


class ClientError(Exception):
    """What every failure of a call has in common."""


class ServerUnreachable(ClientError):
    """Nobody answered at the address, or not as GRACE does."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        self.next = _START
        super().__init__(f"GRACE does not answer at {address}: {reason}. {_START}")


class ApiProblem(ClientError):
    """The server refused or failed, and says why (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str, next_step: str, members: dict[str, Json]) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.next = next_step
        """What to try next, or empty."""
        self.members = members
        """Everything the server said."""
        super().__init__(" ".join(part for part in (f"{status} {title}.", detail, next_step) if part))


class Client:
    """Call the API and return plain JSON; one request at a time, so use one client per thread."""

    def __init__(self, address: str, token: str = "", *, timeout_s: float = 30.0) -> None:
        """Take an address such as `http://127.0.0.1:8000`; raise ValueError for anything else."""
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"Not an address of a GRACE server: {address!r}. It looks like http://127.0.0.1:8000."
            raise ValueError(message)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.address = address.rstrip("/")
        self._connection = connect(parts.hostname, parts.port, timeout=timeout_s)
        self._prefix = parts.path.rstrip("/")
        self._token = token

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """Read; raise ApiProblem or ServerUnreachable."""
        return self.call("GET", path, query)

    def post(self, path: str, query: Mapping[str, object] | None = None, body: Json = None) -> Json:
        """Act; raise ApiProblem or ServerUnreachable. A request that was sent is never repeated."""
        return self.call("POST", path, query, body)

    def delete(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """Remove; raise ApiProblem or ServerUnreachable."""
        return self.call("DELETE", path, query)

    def call(self, method: str, path: str, query: Mapping[str, object] | None = None, body: Json = None) -> Json:
        """Make one call and return its JSON, or None for an answer without content."""
        status, content = self._exchange(method, f"{self._prefix}{quote(path)}{_query(query)}", body)
        if status >= _FIRST_ERROR:
            raise _problem(status, content)
        if status == _NO_CONTENT or not content:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise ServerUnreachable(self.address, "it answered with something that is not JSON") from error

    def stream(self, path: str, query: Mapping[str, object] | None = None) -> Iterator[bytes]:
        """Read an answer of any size piece by piece; raise ApiProblem or ServerUnreachable, also when it breaks off."""
        try:
            response = self._send("GET", f"{self._prefix}{quote(path)}{_query(query)}", None)
            if response.status >= _FIRST_ERROR:
                raise _problem(response.status, response.read())
            while chunk := response.read(_CHUNK_SIZE):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(self.address, str(error) or type(error).__name__) from error
        finally:
            self._connection.close()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, target: str, body: Json) -> http.client.HTTPResponse:
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if payload is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._connection.request(method, target, payload, headers)
        return self._connection.getresponse()

    def _exchange(self, method: str, target: str, body: Json) -> tuple[int, bytes]:
        try:
            response = self._send(method, target, body)
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(self.address, str(error) or type(error).__name__) from error
        finally:
            # A kept connection that the server drops meanwhile would fail a call that must not be repeated.
            self._connection.close()


def _query(query: Mapping[str, object] | None) -> str:
    """Write a query; absent values are left out, lists repeat their name, booleans are lower case."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode({name: _query_value(value) for name, value in given.items()}, doseq=True)}" if given else ""


def _query_value(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(status: int, content: bytes) -> ApiProblem:
    reason = http.client.responses.get(status, "Error")
    try:
        document: Json = json.loads(content)
    except ValueError:
        document = None
    members = document if isinstance(document, dict) else {}
    return ApiProblem(
        status, _member(members, "title", reason), _member(members, "detail", ""), _member(members, "next", ""), members
    )


def _member(members: dict[str, Json], name: str, default: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else default
