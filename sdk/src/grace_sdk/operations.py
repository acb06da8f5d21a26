"""Operations: units of work that begin and end, with their duration and outcome, as a decorator or a `with` block."""

from __future__ import annotations

from grace_sdk.decorating import decorated
from grace_sdk.recorder import marked_id
from grace_sdk.running import Run, Spec
from grace_sdk.scope import Scope, current_scope

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec, TypeVar, overload

    P = ParamSpec("P")
    T = TypeVar("T")


class Operation(Spec):
    """A named unit of work, entered with `with` or `async with`, or put before a function with `@`."""

    __slots__ = ()

    def __enter__(self) -> Run:
        run = Run(self)
        run.enter()
        return run

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        run = self._innermost()
        if run is not None:
            run.finish(exc)
            run.leave()

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, exc, traceback)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Make every call of a function one operation; without a name it takes the function's."""
        name = self.name or _name_of(function)
        return decorated(function, Spec(name, self.labels, self.correlation_id, self.expected))

    def _innermost(self) -> Run | None:
        scope: Scope | None = current_scope.get()
        while scope is not None and not (isinstance(scope, Run) and scope.spec is self):
            scope = scope.outer
        return scope


if TYPE_CHECKING:

    @overload
    def operation(function: Callable[P, T], /) -> Callable[P, T]: ...

    @overload
    def operation(
        name: str = "",
        /,
        *,
        labels: Mapping[str, object] | None = None,
        correlation_id: str = "",
        expected: tuple[type[BaseException], ...] = (),
    ) -> Operation: ...


def operation(
    name: Callable[P, T] | str = "",
    /,
    *,
    labels: Mapping[str, object] | None = None,
    correlation_id: str = "",
    expected: tuple[type[BaseException], ...] = (),
) -> Callable[P, T] | Operation:
    """Name a unit of work, to be entered with `with` or put before a function with `@`.

    An exception that leaves it is captured once, with its name as a label and the last steps as context, and goes on.
    Operations inside share its correlation id; `correlation_id` continues one that came from elsewhere. Exceptions of
    `expected` types are outcomes and are not captured.
    """
    if isinstance(name, str):
        return Operation(name, labels, correlation_id, expected)
    return Operation("")(name)


def correlation_id(exc: BaseException | None = None) -> str:
    """Return the id to show to a user: that of a captured exception, else of what is under way, else an empty text."""
    if exc is not None:
        return marked_id(exc)
    scope = current_scope.get()
    return "" if scope is None else scope.correlation.known_id()


def _name_of(function: object) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
