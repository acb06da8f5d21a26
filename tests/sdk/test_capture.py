from __future__ import annotations

import gc
import re
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import grace_sdk
import pytest

from tests.sdk.sink import Document, Sink


def _only(sink: Sink) -> Document:
    assert grace_sdk.flush(20.0)
    (signal,) = sink.signals.values()
    return signal


def _insert(order: int) -> None:
    message = f"database is locked ({order})"
    raise TimeoutError(message)


def _caught(order: int = 1) -> TimeoutError:
    try:
        _insert(order)
    except TimeoutError as exc:
        return exc
    raise AssertionError


def test_an_exception_arrives_with_type_message_and_the_frames_it_passed(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(_caught())
    signal = _only(sink)
    exception = signal["exception"]
    assert (signal["format"], signal["kind"], signal["severity"]) == (1, "exception", "error")
    assert (signal["service"], signal["environment"]) == ("orders", "drill")
    assert (signal["title"], signal["message"]) == ("TimeoutError", "database is locked (1)")
    assert (exception["type"], exception["module"]) == ("TimeoutError", "builtins")
    assert [frame["function"] for frame in exception["frames"]] == ["_caught", "_insert"]
    assert exception["frames"][-1]["module"] == __name__
    assert exception["frames"][-1]["in_app"] is True
    assert exception["frames"][-1]["file"].endswith("tests/sdk/test_capture.py")
    assert exception["frames"][-1]["line"] == _insert.__code__.co_firstlineno + 2
    assert exception["chain"] == []


def test_capture_without_arguments_takes_the_exception_being_handled(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    try:
        _insert(2)
    except TimeoutError:
        grace_sdk.capture()
    assert _only(sink)["title"] == "TimeoutError"


def test_the_correlation_id_that_capture_returns_is_the_one_that_arrives(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    correlation_id = grace_sdk.capture(_caught())
    signal = _only(sink)
    assert signal["correlation_id"] == signal["id"] == correlation_id


def test_ids_are_unique_and_sequences_have_no_gap(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    ids = [grace_sdk.capture(message=f"note {number}") for number in range(200)]
    assert grace_sdk.flush(20.0)
    assert len(set(ids)) == 200
    assert [signal["sequence"] for signal in sink.wait_for(200)] == list(range(1, 201))


def test_causes_arrive_nearest_first(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    try:
        try:
            _insert(3)
        except TimeoutError as cause:
            message = "order lost"
            raise RuntimeError(message) from cause
    except RuntimeError as exc:
        grace_sdk.capture(exc)
    signal = _only(sink)
    assert signal["exception"]["type"] == "RuntimeError"
    assert [cause["type"] for cause in signal["exception"]["chain"]] == ["TimeoutError"]
    assert signal["exception"]["chain"][0]["frames"][-1]["function"] == "_insert"


def test_members_of_a_group_are_in_the_chain(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(ExceptionGroup("both failed", [_caught(1), ValueError("x")]))
    chain = _only(sink)["exception"]["chain"]
    assert [member["type"] for member in chain] == ["TimeoutError", "ValueError"]


def test_a_loop_of_causes_ends(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    grace_sdk.capture(first)
    assert [cause["message"] for cause in _only(sink)["exception"]["chain"]] == ["second"]


def test_a_message_arrives_as_information_unless_it_says_otherwise(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="stock is low")
    grace_sdk.capture(message="stock is gone", severity="critical")
    grace_sdk.capture(message="stock is odd", severity="purple")
    assert grace_sdk.flush(20.0)
    arrived = [(signal["kind"], signal["title"], signal["severity"]) for signal in sink.wait_for(3)]
    assert arrived == [
        ("message", "stock is low", "info"),
        ("message", "stock is gone", "critical"),
        ("message", "stock is odd", "error"),
    ]


def test_labels_of_init_and_capture_are_joined_and_the_release_is_one(sink: Sink) -> None:
    grace_sdk.init(sink.dsn(), labels={"engine": "sqlite", "zone": "a"}, release="1.4.2")
    grace_sdk.capture(message="x", labels={"zone": "b", "count": 3})
    assert _only(sink)["labels"] == {"engine": "sqlite", "zone": "b", "release": "1.4.2", "count": "3"}


def test_context_is_plain_data_and_objects_are_named_not_printed(sink: Sink) -> None:
    class Account:
        def __repr__(self) -> str:
            return "Account(pin=1234)"

    grace_sdk.init(sink.dsn())
    grace_sdk.capture(
        message="x",
        context={
            "order": {"id": 17, "lines": [1, 2.5, None, True]},
            "price": Decimal("1.50"),
            "day": datetime(2026, 1, 2, tzinfo=UTC),
            "account": Account(),
            "raw": b"\x00\x01",
            "huge": 10**400,
            "endless": float("inf"),
            "error": ValueError("no"),
        },
    )
    context = _only(sink)["context"]
    assert context["order"] == {"id": 17, "lines": [1, 2.5, None, True]}
    assert context["price"] == "1.50"
    assert context["day"] == "2026-01-02 00:00:00+00:00"
    assert context["account"].endswith("Account>")
    assert context["raw"] == "<bytes of 2>"
    assert context["huge"] == str(10**400)
    assert context["endless"] == "inf"
    assert context["error"] == "ValueError: no"
    assert "1234" not in str(context)


def test_context_is_copied_at_once(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    order = {"state": "new"}
    grace_sdk.capture(message="x", context=order)
    order["state"] = "changed later"
    assert _only(sink)["context"]["state"] == "new"


def test_a_deep_or_wide_context_is_cut_and_says_so(sink: Sink) -> None:
    deep: dict[str, object] = {}
    deep["again"] = deep
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x", context={"deep": deep, "wide": list(range(10_000))})
    context = _only(sink)["context"]
    assert "left out" in str(context["deep"])
    assert context["wide"][-1] == "... more was left out"
    assert len(context["wide"]) < 600


def test_a_signal_is_never_larger_than_its_bound(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(RuntimeError("é" * 50_000), context={str(n): "é" * 9_000 for n in range(200)})
    signal = _only(sink)
    assert "left_out" in signal["context"]
    assert signal["message"].startswith("ééé")
    assert "more characters" in signal["message"]


def test_lone_surrogates_and_nul_are_written_as_escapes(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="broken \ud800 and \0", labels={"a\udfff": "b"}, context={"k\ud800": ["\0"]})
    signal = _only(sink)
    assert signal["message"] == "broken \\ud800 and \\x00"
    assert signal["labels"] == {"a\\udfff": "b"}
    assert signal["context"]["k\\ud800"] == ["\\x00"]


def test_a_very_deep_traceback_keeps_both_ends(sink: Sink) -> None:
    def dive() -> None:
        dive()

    grace_sdk.init(sink.dsn())
    try:
        dive()
    except RecursionError as exc:
        grace_sdk.capture(exc)
    frames = _only(sink)["exception"]["frames"]
    assert len(frames) == 128
    assert frames[0]["function"] == "test_a_very_deep_traceback_keeps_both_ends"


def test_library_code_is_told_from_the_application_without_install_paths(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    try:
        re.compile("(")
    except re.error as exc:
        grace_sdk.capture(exc)
    try:
        pytest.fail("from a library")
    except pytest.fail.Exception as exc:
        grace_sdk.capture(exc)
    assert grace_sdk.flush(20.0)
    standard, library = sink.wait_for(2)
    assert standard["exception"]["frames"][-1]["in_app"] is False
    assert library["exception"]["frames"][-1]["in_app"] is False
    assert library["exception"]["frames"][-1]["file"] == "_pytest/outcomes.py"


def test_nothing_of_the_application_is_kept_alive() -> None:
    class Connection:
        pass

    def fail() -> None:
        connection = Connection()
        seen.append(weakref.ref(connection))
        raise ValueError

    seen: list[weakref.ref[Connection]] = []
    # Port 9 of this machine: nobody answers, so the signal stays where it is.
    grace_sdk.init("http://token@127.0.0.1:9/orders")
    try:
        fail()
    except ValueError as exc:
        grace_sdk.capture(exc, context={"n": 1})
    gc.collect()
    assert seen[0]() is None


def test_the_time_is_that_of_the_capture_in_utc_with_microseconds(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    before = datetime.now(UTC)
    grace_sdk.capture(message="x")
    after = datetime.now(UTC)
    at = _only(sink)["at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at)
    assert before - timedelta(microseconds=1) <= datetime.fromisoformat(at) <= after


def test_without_a_dsn_captures_still_get_an_id_and_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRACE_DSN", raising=False)
    grace_sdk.init()
    assert grace_sdk.capture(ValueError("x"))
    assert grace_sdk.progress() is None
    assert grace_sdk.flush()


def test_the_dsn_comes_from_the_environment(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_DSN", sink.dsn("billing", "prod"))
    grace_sdk.init()
    grace_sdk.capture(message="x")
    signal = _only(sink)
    assert (signal["service"], signal["environment"]) == ("billing", "prod")
    assert sink.authorizations == {"Bearer secret-token"}


def test_a_dsn_that_cannot_be_used_is_logged_without_its_token_and_disturbs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    grace_sdk.init("ftp://very-secret@host/orders")
    assert "must begin with http:// or https://" in caplog.text
    assert "very-secret" not in caplog.text
    assert grace_sdk.capture(message="x")
    assert grace_sdk.progress() is None


def test_a_full_buffer_drops_the_oldest_and_the_gap_is_counted(sink: Sink) -> None:
    sink.status = 503
    grace_sdk.init(sink.dsn(), buffer_size=10)
    for number in range(500):
        grace_sdk.capture(message=f"note {number}")
    grace_sdk.flush(0.2)
    progress = grace_sdk.progress()
    assert progress is not None
    assert progress.dropped + progress.waiting == 500
    assert progress.dropped >= 450
    sink.status = 202
    assert grace_sdk.flush(20.0)
    assert max(signal["sequence"] for signal in sink.signals.values()) == 500
