"""WSGI: a middleware that captures what a web application lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from grace_sdk.requests import CORRELATION_HEADER, RequestScope, without_ids
from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    # WSGI's own words; its environment is an open dictionary by specification.
    Environ: TypeAlias = dict[str, Any]
    ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
    Headers: TypeAlias = list[tuple[str, str]]
    StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
    Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADER: Final = "X-Correlation-Id"
_KEY: Final = "HTTP_" + CORRELATION_HEADER.upper().replace("-", "_")


class CaptureMiddleware:
    """Capture exceptions and 5xx answers of a WSGI application; exceptions go on to whoever handles them.

    Wrap the whole application, `app = CaptureMiddleware(app)`: then a 5xx answer of it carries the correlation id in
    its `X-Correlation-Id` header. A request that brings such a header keeps its id. What goes wrong while the answer is
    being read, or closed, is captured too.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        request = RequestScope(str(environ.get("REQUEST_METHOD", "")), lambda: without_ids(path), environ.get(_KEY, ""))

        def look_and_start(status: str, headers: Headers, exc_info: ExcInfo = None) -> Callable[[bytes], object]:
            exc = exc_info[1] if exc_info else None
            identity = attempt(_id_for_answer, request, status, exc)
            carried = [(_HEADER, identity)] if identity and not isinstance(identity, Fault) else []
            return start_response(status, [*headers, *carried], *(() if exc_info is None else (exc_info,)))

        with request:
            body = self._app(environ, look_and_start)
        return body if _is_read_at_once(body, environ) else _Body(body, request)


class _Body:
    """An answer that the application makes while the server reads it, inside the scope of its request."""

    def __init__(self, body: Iterable[bytes], request: RequestScope) -> None:
        self._body = body
        self._request = request
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._request:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        """Close what the application returned; a server calls it even when the reading was broken off."""
        close = getattr(self._body, "close", None)
        if close is not None:
            with self._request:
                close()


def _is_read_at_once(body: Iterable[bytes], environ: Environ) -> bool:
    """Tell whether the server may have the body as it is: nothing in it can fail, or it is a file to be sent whole."""
    by_server = environ.get("wsgi.file_wrapper")
    return isinstance(body, list | tuple) or (isinstance(by_server, type) and isinstance(body, by_server))


def _id_for_answer(request: RequestScope, status: str, exc: BaseException | None) -> str:
    return request.id_for_answer(int(status[:3]), exc)
