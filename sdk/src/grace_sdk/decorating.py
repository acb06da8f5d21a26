"""Decorating: make every call of a function one operation, whatever kind of function it is."""

from __future__ import annotations

import functools
from collections.abc import Generator

from grace_sdk.annotating import cast
from grace_sdk.running import Run, Stepping

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from typing import Any, Final, ParamSpec, TypeVar

    from grace_sdk.running import Spec

    P = ParamSpec("P")
    T = TypeVar("T")

_COROUTINE: Final = 0x80
_GENERATOR: Final = 0x20
_ASYNC_GENERATOR: Final = 0x200
"""Flags of a code object, as `inspect` names them; `inspect` itself costs more than the whole SDK."""


def decorated(function: Callable[P, T], spec: Spec) -> Callable[P, T]:
    """Return a function of the same kind (plain, coroutine, generator, asynchronous generator) that runs as `spec`."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    wrap = next((wrap for flag, wrap in _WRAPS if flags & flag), _plain)
    return cast("Callable[P, T]", functools.wraps(function)(wrap(function, spec)))


class Running:
    """Run one block as one operation."""

    def __init__(self, spec: Spec) -> None:
        self._run = Run(spec)

    def __enter__(self) -> Run:
        self._run.enter()
        return self._run

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        self._run.finish(exc)
        self._run.leave()


def _plain(function: Callable[P, T], spec: Spec) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with Running(spec):
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[P, Awaitable[T]], spec: Spec) -> Callable[P, Awaitable[T]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with Running(spec):
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[P, Generator[Any, Any, T]], spec: Spec) -> Callable[P, Generator[Any, Any, T]]:
    def call(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, T]:
        return (yield from _Stepped(function(*args, **kwargs), Run(spec)))

    return call


class _Stepped(Generator["Any", "Any", "T"]):
    """A generator each of whose steps runs inside its operation, and nothing of its caller does."""

    def __init__(self, generator: Generator[Any, Any, T], run: Run) -> None:
        self._generator = generator
        self._stepping = Stepping(run)

    def send(self, value: object, /) -> Any:  # noqa: ANN401 - whatever the generator yields
        with self._stepping:
            return self._generator.send(value)

    def throw(self, *raised: Any) -> Any:  # noqa: ANN401 - whatever the generator is given and yields
        with self._stepping:
            return self._generator.throw(*raised)

    def close(self) -> None:
        with self._stepping:
            self._generator.close()
        self._stepping.close()


def _async_generator(
    function: Callable[P, AsyncGenerator[Any, Any]], spec: Spec
) -> Callable[P, AsyncGenerator[Any, Any]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        generator, stepping, handed_in = function(*args, **kwargs), Stepping(Run(spec)), _HandedIn()
        step = generator.asend(None)
        while True:
            try:
                with stepping:
                    item = await step
            except StopAsyncIteration:
                return
            with handed_in:
                handed_in.value = yield item
            if isinstance(handed_in.exc, GeneratorExit):
                with stepping:
                    await generator.aclose()
                stepping.close()
                raise handed_in.exc
            step = generator.asend(handed_in.value) if handed_in.exc is None else generator.athrow(handed_in.exc)

    return call


class _HandedIn:
    """What a caller hands to a generator at its `yield`: a value, or an exception that the generator is to see."""

    def __init__(self) -> None:
        self.value: object = None
        self.exc: BaseException | None = None

    def __enter__(self) -> None:
        self.exc = None

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> bool:
        self.exc = exc
        return True


_WRAPS: Final[tuple[tuple[int, Callable[[Any, Spec], Any]], ...]] = (
    (_COROUTINE, _coroutine),
    (_GENERATOR, _generator),
    (_ASYNC_GENERATOR, _async_generator),
)
