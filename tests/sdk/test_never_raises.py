from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import grace_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk import hostile
from tests.sdk.sink import Sink

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.complex_numbers()
    | st.datetimes()
    | st.uuids()
    | st.decimals()
    | st.sampled_from(sorted(hostile.MAKERS)).map(hostile.Recipe),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def listening() -> Iterator[Sink]:
    server = Sink()
    yield server
    server.stop()


@given(plain, plain, plain, plain, plain)
def test_whatever_is_passed_capture_returns_an_id(
    listening: Sink, exc: Any, message: Any, severity: Any, labels: Any, context: Any
) -> None:
    if grace_sdk.progress() is None:
        grace_sdk.init(listening.dsn())
    identity = grace_sdk.capture(
        hostile.build(exc),
        message=hostile.build(message),
        severity=hostile.build(severity),
        labels=hostile.build(labels),
        context=hostile.build(context),
    )
    assert type(identity) is str
    assert identity


@given(plain, plain, plain)
def test_whatever_is_captured_arrives(listening: Sink, message: Any, labels: Any, context: Any) -> None:
    if grace_sdk.progress() is None:
        grace_sdk.init(listening.dsn())
    identity = grace_sdk.capture(
        ValueError(hostile.build(message)), labels=hostile.build(labels), context=hostile.build(context)
    )
    assert grace_sdk.flush(20.0)
    assert identity in listening.signals
    assert listening.signals[identity]["title"] == "ValueError"


@pytest.mark.parametrize("kind", sorted(hostile.MAKERS))
def test_a_hostile_object_anywhere_still_gives_a_signal(sink: Sink, kind: str) -> None:
    value: Any = hostile.MAKERS[kind]()
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(ValueError(value), labels={"label": value}, context={"value": value})
    grace_sdk.capture(value, severity=value)
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 2


def test_an_exception_that_cannot_be_looked_at_is_captured_by_its_type(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(hostile.Hostile())
    assert grace_sdk.flush(20.0)
    (signal,) = sink.signals.values()
    assert signal["title"] == f"{hostile.__name__}.Hostile"


def test_a_mapping_that_refuses_is_reported_as_unreadable(sink: Sink) -> None:
    class Refusing(Mapping[str, object]):
        def __getitem__(self, key: str) -> object:
            raise LookupError

        def __iter__(self) -> Iterator[str]:
            raise PermissionError

        def __len__(self) -> int:
            return 1

    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x", labels=Refusing())
    assert grace_sdk.flush(20.0)
    (signal,) = sink.signals.values()
    assert signal["labels"] == {"unreadable_labels": "PermissionError"}


def test_an_interrupt_by_the_user_is_not_swallowed(sink: Sink) -> None:
    class Interrupting(ValueError):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    grace_sdk.init(sink.dsn())
    with pytest.raises(KeyboardInterrupt):
        grace_sdk.capture(Interrupting())


def test_init_with_nonsense_does_not_raise() -> None:
    for dsn in ("", "x", "http://", "http://a@:99999/x", "http://[::1", "http://t@h"):
        grace_sdk.init(dsn)
        assert grace_sdk.progress() is None
    grace_sdk.init("http://t@127.0.0.1:9/s", labels=cast("Any", hostile.HostileMapping(a=1)), spool="/dev/null/x")
    assert grace_sdk.capture(message="x")


def _hang() -> str:
    threading.Event().wait()
    return ""


@pytest.mark.parametrize(
    "nonsense",
    [
        {"dsn": 5},
        {"dsn": b"http://x"},
        {"spool": 5},
        {"hooks": 5},
        {"hooks": [5]},
        {"buffer_size": "many"},
        {"labels": 3},
    ],
)
def test_init_with_values_of_another_kind_does_not_raise_and_says_so(
    sink: Sink, caplog: pytest.LogCaptureFixture, nonsense: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"dsn": sink.dsn(), **nonsense}
    grace_sdk.init(**given)
    assert grace_sdk.capture(message="still here")
    if grace_sdk.progress() is None:
        assert "Nothing is sent to GRACE" in caplog.text
    grace_sdk.close()


@pytest.mark.parametrize(
    "look", [lambda: 1 / 0, _hang, lambda: "x" * 10**7, lambda: _deep(0)], ids=["raise", "hang", "huge", "recursion"]
)
def test_objects_of_the_application_are_never_printed(sink: Sink, look: Callable[[], object]) -> None:
    class Evil:
        def __repr__(self) -> str:
            return str(look())

        __str__ = __repr__

        def __reduce__(self) -> str:
            return str(look())

    @dataclass
    class Order:
        buyer: object

    evil = Evil()
    grace_sdk.init(sink.dsn())
    error = ValueError("order", evil)
    error.__cause__ = KeyError(evil)
    grace_sdk.capture(error, labels={"l": evil}, context={"c": evil, "d": [Order(evil)], "e": ValueError(evil)})
    grace_sdk.capture(OSError(evil))
    assert grace_sdk.flush(20.0)
    signal, second = sink.wait_for(2)
    assert signal["message"].startswith("('order', '<tests.sdk.test_never_raises.")
    assert signal["exception"]["chain"][0]["message"].endswith("Evil>")
    assert second["message"].endswith("Evil>")
    progress = grace_sdk.progress()
    assert progress is not None
    assert progress.faults == 0


def _deep(depth: int) -> str:
    return _deep(depth + 1)


@pytest.mark.parametrize("look", [lambda: 1 / 0, lambda: "x" * 10**7, lambda: _deep(0)])
def test_an_exception_with_a_text_of_its_own_may_fail_to_tell_it(sink: Sink, look: Callable[[], object]) -> None:
    class Evil(Exception):
        def __str__(self) -> str:
            return str(look())

    grace_sdk.init(sink.dsn())
    grace_sdk.capture(Evil())
    assert grace_sdk.flush(20.0)
    message = sink.wait_for(1)[0]["message"]
    assert "without text" in message or "more characters" in message


def test_what_goes_wrong_in_the_sdk_is_counted(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x", labels=cast("Any", 3))
    assert grace_sdk.flush(20.0)
    progress = grace_sdk.progress()
    assert progress is not None
    assert progress.faults == 1
