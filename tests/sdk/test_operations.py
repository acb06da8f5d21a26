from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from typing import Any

import grace_sdk
import pytest
from grace_sdk import operation

from tests.sdk.sink import Document, Sink


class _StockError(Exception):
    pass


def _arrived(sink: Sink) -> list[Document]:
    assert grace_sdk.flush(20.0)
    return sorted(sink.signals.values(), key=lambda signal: int(signal["sequence"]))


def _steps(signal: Document) -> list[tuple[str, str]]:
    return [(step["operation"], step["state"]) for step in signal["context"]["operations"]]


def test_a_failed_operation_is_captured_with_its_name_its_steps_and_their_duration(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with contextlib.suppress(_StockError), operation("checkout", labels={"shop": "berlin"}):
        with operation("reserve"):
            pass
        raise _StockError
    (signal,) = _arrived(sink)
    assert (signal["kind"], signal["severity"], signal["title"]) == ("exception", "error", f"{__name__}._StockError")
    assert signal["labels"] == {"shop": "berlin", "operation": "checkout"}
    assert _steps(signal) == [
        ("checkout", "started"),
        ("reserve", "started"),
        ("reserve", "completed"),
        ("checkout", "failed"),
    ]
    started, _, _, failed = signal["context"]["operations"]
    assert started["duration_ms"] is None
    assert failed["duration_ms"] >= 0


def test_a_failure_is_captured_where_it_happened_and_not_again_further_out(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with pytest.raises(_StockError), operation("checkout"), operation("reserve"):
        raise _StockError
    (signal,) = _arrived(sink)
    assert signal["labels"]["operation"] == "reserve"


def test_nested_operations_and_what_is_captured_in_them_share_one_id_which_the_user_can_be_shown(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    error, shown = _StockError(), list[str]()
    with contextlib.suppress(_StockError), operation("checkout") as run:
        shown.append(run.correlation_id)
        with operation("reserve"):
            shown.append(grace_sdk.capture(message="stock is low"))
            raise error
    shown.append(grace_sdk.correlation_id(error))
    assert {signal["correlation_id"] for signal in _arrived(sink)} == set(shown)
    assert len(set(shown)) == 1
    assert grace_sdk.correlation_id() == ""
    assert grace_sdk.correlation_id(ValueError()) == ""


def test_the_id_of_a_first_capture_is_that_of_the_whole_operation(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with operation("checkout") as run:
        captured = grace_sdk.capture(message="first")
        assert run.correlation_id == grace_sdk.correlation_id() == captured
        assert grace_sdk.capture(message="second") == captured


def test_operations_beside_each_other_have_different_ids() -> None:
    shown: set[str] = set()
    for _ in range(3):
        with operation("checkout") as run:
            shown.add(run.correlation_id)
    assert len(shown) == 3


def test_an_id_from_elsewhere_is_continued_and_one_that_is_none_is_not(sink: Sink) -> None:
    with operation("job", correlation_id="web-17") as run:
        assert run.correlation_id == "web-17"
        with operation("part") as part:
            assert part.correlation_id == "web-17"
    for wrong in ("", "two words", "x" * 200, "ü"):
        with operation("job", correlation_id=wrong) as run:
            assert run.correlation_id not in {"", wrong}


def test_asking_for_an_id_makes_no_gap_in_the_sequence(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with operation("checkout") as run:
        assert run.correlation_id
    grace_sdk.capture(message="x")
    assert [signal["sequence"] for signal in _arrived(sink)] == [1]


def test_an_expected_exception_is_an_outcome(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with pytest.raises(_StockError), operation("checkout", expected=(_StockError,)):
        raise _StockError
    grace_sdk.capture(message="x")
    assert [signal["title"] for signal in _arrived(sink)] == ["x"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_being_told_to_stop_is_no_failure(sink: Sink, ending: type[BaseException]) -> None:
    grace_sdk.init(sink.dsn(), operations="all")
    with pytest.raises(ending), operation("checkout"):
        raise ending
    assert [signal["labels"]["state"] for signal in _arrived(sink)] == ["started", "cancelled"]


def test_every_step_is_sent_on_request(sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), operations="all")
    with contextlib.suppress(_StockError), operation("checkout"), operation("reserve"):
        raise _StockError
    signals = _arrived(sink)
    told = [(signal["title"], signal["severity"]) for signal in signals if signal["kind"] == "operation"]
    assert told == [
        ("checkout started", "info"),
        ("reserve started", "info"),
        ("reserve failed", "info"),
        ("checkout failed", "info"),
    ]
    assert [signal["kind"] for signal in signals].count("exception") == 1
    first, second, third, fourth = (s["context"]["operation"] for s in signals if s["kind"] == "operation")
    assert first["number"] == second["outer_number"] == fourth["number"]
    assert second["number"] == third["number"]
    assert third["duration_ms"] <= fourth["duration_ms"]
    assert len({signal["correlation_id"] for signal in signals}) == 1


def test_a_decorated_function_is_an_operation_of_its_own_name_and_stays_what_it_was(sink: Sink) -> None:
    @operation
    def reserve(count: int, *, shop: str = "berlin") -> str:
        """Reserve."""
        if count < 0:
            raise _StockError
        return f"{count} in {shop}"

    grace_sdk.init(sink.dsn())
    assert reserve(3) == "3 in berlin"
    assert (reserve.__name__, reserve.__doc__) == ("reserve", "Reserve.")
    assert list(inspect.signature(reserve).parameters) == ["count", "shop"]
    with pytest.raises(_StockError):
        reserve(-1, shop="bonn")
    (signal,) = _arrived(sink)
    assert signal["labels"]["operation"].endswith("<locals>.reserve")
    assert signal["exception"]["frames"][-1]["function"].endswith("reserve")


def test_a_decorated_coroutine_is_one_operation_and_stays_a_coroutine(sink: Sink) -> None:
    @operation("reserve")
    async def reserve() -> None:
        await asyncio.sleep(0)
        assert grace_sdk.correlation_id()
        raise _StockError

    async def main() -> list[Any]:
        return list(await asyncio.gather(reserve(), reserve(), return_exceptions=True))

    grace_sdk.init(sink.dsn())
    assert inspect.iscoroutinefunction(reserve)
    errors = asyncio.run(main())
    signals = _arrived(sink)
    assert [signal["labels"]["operation"] for signal in signals] == ["reserve", "reserve"]
    assert {signal["correlation_id"] for signal in signals} == {grace_sdk.correlation_id(error) for error in errors}
    assert len({signal["correlation_id"] for signal in signals}) == 2


def test_an_asynchronous_block_is_an_operation(sink: Sink) -> None:
    async def main() -> None:
        async with operation("reserve"):
            await asyncio.sleep(0)
            raise _StockError

    grace_sdk.init(sink.dsn())
    with pytest.raises(_StockError):
        asyncio.run(main())
    assert _arrived(sink)[0]["labels"]["operation"] == "reserve"


@operation("count")
def _counting(up_to: int) -> Generator[int, str, str]:
    said = ""
    for number in range(up_to):
        try:
            said = yield number
        except LookupError:
            said = "looked up"
    if said == "fail":
        raise _StockError
    return said


def test_a_decorated_generator_is_one_operation_and_its_caller_is_outside_of_it(sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), operations="all")
    assert inspect.isgeneratorfunction(_counting)
    generator = _counting(3)
    assert next(generator) == 0
    assert grace_sdk.correlation_id() == ""
    assert generator.send("on") == 1
    assert generator.throw(LookupError()) == 2
    with pytest.raises(StopIteration) as ended:
        generator.send("done")
    assert ended.value.value == "done"
    assert [signal["labels"]["state"] for signal in _arrived(sink)] == ["started", "completed"]


def test_a_generator_that_raises_fails_and_one_that_is_closed_completes(sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), operations="all")
    failing = _counting(1)
    next(failing)
    with pytest.raises(_StockError):
        failing.send("fail")
    closed = _counting(5)
    next(closed)
    closed.close()
    states = [signal["labels"].get("state", "captured") for signal in _arrived(sink)]
    assert states == ["started", "failed", "captured", "started", "completed"]


@operation("count")
async def _counting_slowly(up_to: int) -> AsyncIterator[int]:
    for number in range(up_to):
        await asyncio.sleep(0)
        yield number
    raise _StockError


def test_a_decorated_asynchronous_generator_is_one_operation(sink: Sink) -> None:
    async def main() -> None:
        with pytest.raises(_StockError):
            assert [number async for number in _counting_slowly(3)] == []
        left = _counting_slowly(3)
        assert await anext(left) == 0
        assert grace_sdk.correlation_id() == ""
        await left.aclose()  # type: ignore[attr-defined]

    grace_sdk.init(sink.dsn(), operations="all")
    assert inspect.isasyncgenfunction(_counting_slowly)
    asyncio.run(main())
    states = [signal["labels"].get("state", "captured") for signal in _arrived(sink)]
    assert states == ["started", "failed", "captured", "started", "completed"]


def test_a_decorated_asynchronous_context_manager_sees_what_its_block_raises(sink: Sink) -> None:
    seen: list[BaseException] = []

    @contextlib.asynccontextmanager
    @operation("session")
    async def session() -> AsyncGenerator[int]:
        try:
            yield 1
        except LookupError as exc:
            seen.append(exc)
            raise

    async def main() -> None:
        async with session():
            raise LookupError

    grace_sdk.init(sink.dsn())
    with pytest.raises(LookupError):
        asyncio.run(main())
    assert len(seen) == 1
    assert [signal["labels"]["operation"] for signal in _arrived(sink)] == ["session"]


def test_a_decorated_context_manager_sees_what_its_block_raises(sink: Sink) -> None:
    @contextlib.contextmanager
    @operation("session")
    def session() -> Generator[int]:
        with contextlib.suppress(LookupError):
            yield 1

    grace_sdk.init(sink.dsn(), operations="all")
    with session():
        raise LookupError
    assert [signal["labels"]["state"] for signal in _arrived(sink)] == ["started", "completed"]


def test_one_operation_may_run_within_itself_and_in_many_threads(sink: Sink) -> None:
    shared = operation("walk")
    ids: list[str] = []

    def walk(depth: int) -> None:
        with shared as run:
            if depth:
                walk(depth - 1)
            else:
                ids.append(run.correlation_id)

    threads = [threading.Thread(target=walk, args=(5,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 8
    assert grace_sdk.correlation_id() == ""


def _decorate_method() -> Callable[[], Any]:
    class Shop:
        @operation
        def order(self) -> str:
            return "method"

        @classmethod
        @operation
        def open(cls) -> str:
            return "class"

        @staticmethod
        @operation
        def close() -> str:
            return "static"

    return lambda: (Shop().order(), Shop.open(), Shop.close())


def test_methods_of_every_kind_can_be_operations() -> None:
    assert _decorate_method()() == ("method", "class", "static")


def test_a_thousand_steps_keep_the_last_ones_only(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    with operation("batch"):
        for number in range(1_000):
            with operation(f"item {number}"):
                pass
        grace_sdk.capture(message="x")
    steps = _steps(_arrived(sink)[0])
    assert len(steps) == 32
    assert steps[-1] == ("item 999", "completed")


def test_before_init_an_operation_only_runs() -> None:
    with contextlib.suppress(_StockError), operation("checkout") as run:
        assert run.correlation_id
        raise _StockError
