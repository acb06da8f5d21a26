"""Requests: what ASGI and WSGI have in common. One request is one scope with one correlation id."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Self

from grace_sdk.installation import installed
from grace_sdk.safety import Fault, attempt
from grace_sdk.scope import Scope, current_scope, is_correlation_id
from grace_sdk.severity import severity_of_status

if TYPE_CHECKING:
    from collections.abc import Callable

CORRELATION_HEADER: Final = "x-correlation-id"
"""Of an answer, and of a request whose sender has an id already."""
_SERVER_ERROR: Final = 500
_LONGEST_NAME: Final = 32


class RequestScope(Scope):
    """One request on its way through; enter it around whatever the application does for it."""

    __slots__ = ("_method", "_previous", "_route")

    def __init__(self, method: str, route: Callable[[], str], correlation_id: str) -> None:
        super().__init__(self._described, correlation_id if is_correlation_id(correlation_id) else "")
        self._method = method
        self._route = route
        self._previous: Scope | None = None

    def __enter__(self) -> Self:
        self._previous = current_scope.get()
        current_scope.set(self)
        return self

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, StopIteration):
            attempt(installed.recorder.record_once, exc)
        current_scope.set(self._previous)

    def id_for_answer(self, status: int, exc: BaseException | None = None) -> str:
        """Record an answer that is a failure; return the id that it is to carry, or an empty text."""
        if status < _SERVER_ERROR:
            return ""
        # Frameworks answer 5xx from inside an except block; what they are handling is what happened.
        exc = sys.exception() if exc is None else exc
        if isinstance(exc, Exception):
            installed.recorder.record_once(exc)
        if not self.correlation.has_captured:
            self._record_answer(status)
        return self.correlation.known_id()

    def _record_answer(self, status: int) -> None:
        title = f"{self._method} {self._route_now()} answered {status}"
        severity = severity_of_status(status)
        installed.recorder.record("message", title=title, message=title, severity=severity, labels={"status": status})

    def _described(self) -> dict[str, str]:
        return {"method": self._method, "route": self._route_now()}

    def _route_now(self) -> str:
        route = attempt(self._route)
        return "" if isinstance(route, Fault) else route


def without_ids(path: str) -> str:
    """Return a path with `{}` for what looks like an id: requests for different orders fail alike."""
    return "/".join(name if _is_name(name) else "{}" for name in path.split("/"))


def _is_name(segment: str) -> bool:
    return len(segment) <= _LONGEST_NAME and not any(letter.isdigit() for letter in segment)
