from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.buffer import Buffer
from grace_sdk.origin import Origin
from grace_sdk.recorder import Recorder
from grace_sdk.rendering import render
from hypothesis import given
from hypothesis import strategies as st

from grace.model.signal import Frame, Raised, Severity, Signal, SignalKind
from grace.sense.intake import Fault, Flawed, Message, SessionNews, Unacceptable
from grace.sense.intake.native import DEEPEST, LARGEST_BODY, parse

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_LEAST: dict[str, Any] = {
    "format": 1,
    "id": "abc-1",
    "service": "orders",
    "at": "2026-01-01T00:00:00.000000Z",
    "kind": "message",
    "title": "stock is low",
}
_FULL: dict[str, Any] = {
    **_LEAST,
    "environment": "drill",
    "kind": "exception",
    "severity": "critical",
    "title": "sqlite3.OperationalError",
    "message": "database is locked",
    "exception": {
        "type": "sqlite3.OperationalError",
        "module": "sqlite3",
        "message": "database is locked",
        "frames": [{"module": "orders.db", "function": "insert", "file": "orders/db.py", "line": 12, "in_app": True}],
        "chain": [{"type": "TimeoutError", "message": "5 s", "frames": []}],
    },
    "labels": {"engine": "sqlite"},
    "context": {"order": {"id": 17}},
    "correlation_id": "abc-1",
    "session": "abc",
    "sequence": 1,
}


def _parse(document: Any) -> tuple[Signal, ...] | Unacceptable:
    parsed = parse(json.dumps(document).encode(), _NOW)
    return parsed.signals if isinstance(parsed, Message) else parsed


def _one(document: Any) -> Signal:
    parsed = _parse(document)
    assert isinstance(parsed, tuple), parsed
    (signal,) = parsed
    return signal


def _flaw(document: Any) -> Flawed:
    parsed = _parse(document)
    assert isinstance(parsed, Unacceptable)
    assert parsed.fault is Fault.INVALID
    (flaw,) = parsed.flaws
    return flaw


def test_a_full_signal_is_read_field_by_field() -> None:
    frame = Frame(module="orders.db", function="insert", file="orders/db.py", line=12, in_app=True)
    assert _one(_FULL) == Signal(
        id="abc-1",
        service="orders",
        environment="drill",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        received_at=_NOW,
        kind=SignalKind.EXCEPTION,
        severity=Severity.CRITICAL,
        title="sqlite3.OperationalError",
        message="database is locked",
        exception=Raised(
            type="sqlite3.OperationalError", module="sqlite3", message="database is locked", frames=(frame,)
        ),
        chain=(Raised(type="TimeoutError", message="5 s"),),
        labels={"engine": "sqlite"},
        context={"order": {"id": 17}},
        correlation_id="abc-1",
        session="abc",
        sequence=1,
    )


def test_the_least_signal_gets_the_defaults_of_the_model() -> None:
    assert _one(_LEAST) == Signal(
        id="abc-1",
        service="orders",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        received_at=_NOW,
        kind=SignalKind.MESSAGE,
        title="stock is low",
    )


def test_a_signal_that_was_parsed_is_valid_by_the_model_itself() -> None:
    for document in (_LEAST, _FULL):
        signal = _one(document)
        assert Signal.from_json(signal.to_json()) == signal


def test_a_batch_keeps_its_order() -> None:
    parsed = _parse({"signals": [_LEAST, {**_LEAST, "id": "abc-2"}, _FULL]})
    assert isinstance(parsed, tuple)
    assert [signal.id for signal in parsed] == ["abc-1", "abc-2", "abc-1"]


def test_a_signal_that_has_a_part_called_signals_is_no_batch() -> None:
    assert _one({"context": {"signals": [1]}, **_LEAST}).context == {"signals": [1]}


def test_times_of_any_zone_become_utc() -> None:
    assert _one({**_LEAST, "at": "2026-01-01T02:30:00+02:30"}).at == datetime(2026, 1, 1, tzinfo=UTC)
    assert _one({**_LEAST, "at": "2026-01-01 00:00Z"}).at.tzinfo is UTC


def test_secrets_are_hidden_at_the_door_wherever_they_stand() -> None:
    canary = "canary-7f3a9c"
    exception = {"type": "E", "message": f"token={canary}", "chain": [{"type": "C", "message": f"password={canary}"}]}
    signal = _one(
        {
            **_FULL,
            "title": f"secret={canary}",
            "message": f"Authorization: Bearer {canary}",
            "exception": exception,
            "labels": {"api_key": canary},
            "context": {"headers": {"Cookie": canary}, "urls": [f"redis://:{canary}@cache/0"]},
        }
    )
    assert canary not in signal.model_dump_json()


def test_a_body_that_is_too_large_is_refused_with_the_limit() -> None:
    parsed = parse(b" " * (LARGEST_BODY + 1), _NOW)
    assert parsed == Unacceptable(
        Fault.TOO_LARGE, (Flawed("body", f"has {LARGEST_BODY + 1} bytes; at most {LARGEST_BODY} are taken"),)
    )


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": \x00}', b"[" * 500, b'{"a":"\\ud800"}', b"{} {}"])
def test_what_is_not_json_is_said_to_be_none(body: bytes) -> None:
    parsed = parse(body, _NOW)
    assert isinstance(parsed, Unacceptable)
    assert parsed.fault is Fault.NOT_JSON


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"format": 2}, "format", "should be at most 1"),
        ({"id": ""}, "id", "should match pattern"),
        ({"id": "a" * 129}, "id", "should have at most 128 characters"),
        ({"id": "with blank"}, "id", "should match pattern"),
        ({"service": "Orders!"}, "service", "should match pattern"),
        ({"environment": ""}, "environment", "should match pattern"),
        ({"at": 1767225600}, "at", "a time with its zone"),
        ({"at": "1767225600"}, "at", "a time with its zone"),
        ({"at": "2026-01-01T00:00:00"}, "at", "a time with its zone"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", "a time with its zone"),
        ({"kind": "boom"}, "kind", "should be 'exception', 'alert', 'log', 'message' or 'operation'"),
        ({"severity": "Error"}, "severity", "should be 'debug', 'info', 'warning', 'error' or 'critical'"),
        ({"severity": None}, "severity", "should be 'debug'"),
        ({"title": ""}, "title", "should have at least 1 character"),
        ({"title": 5}, "title", "should be text"),
        ({"message": "x" * 16_385}, "message", "should have at most 16384 characters"),
        ({"sevrity": "error"}, "sevrity", "is unknown"),
        ({"labels": {"a": 1}}, "labels.a", "should be text"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels", "should have at most 64 items"),
        ({"exception": {"type": ""}}, "exception.type", "should have at least 1 character"),
        (
            {"exception": {"type": "E", "frames": [{"line": "12"}]}},
            "exception.frames.0.line",
            "should be a whole number",
        ),
        (
            {"exception": {"type": "E", "frames": [{"line": 1}] * 513}},
            "exception.frames",
            "should have at most 512 items",
        ),
        ({"exception": {"type": "E", "locals": "x"}}, "exception.locals", "is unknown"),
        ({"context": ""}, "context", "should be a"),
        ({"context": {"n": 2**53}}, "context", "has a number beyond 9007199254740991"),
        ({"context": {"n": float("nan")}}, "context", "has a number that is not finite"),
        ({"context": {"n": "x" * 16_385}}, "context", "has a text of 16385 characters; at most 16384 are taken"),
        ({"context": {"n": list(range(10_000))}}, "context", "has more than 10000 values"),
        ({"sequence": -1}, "sequence", "should be at least 0"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_its_field_and_its_limit(change: dict[str, Any], field: str, why: str) -> None:
    flaw = _flaw({**_LEAST, **change})
    assert flaw.field == field
    assert why in flaw.why


def test_a_missing_field_is_named_and_in_a_batch_its_signal_too() -> None:
    nameless = {name: value for name, value in _LEAST.items() if name != "title"}
    assert _flaw(nameless) == Flawed("title", "is missing")
    assert _flaw({"signals": [_LEAST, nameless]}) == Flawed("signals.1.title", "is missing")
    assert _flaw({"signals": [_LEAST, {**_LEAST, "context": {"n": 2**60}}]}).field == "signals.1.context"


@pytest.mark.parametrize(
    ("document", "field", "why"),
    [
        ([], "body", "should be an object"),
        ("text", "body", "should be an object"),
        (None, "body", "should be an object"),
        ({"signals": []}, "signals", "is empty"),
        ({"signals": [_LEAST], "more": 1}, "more", "is unknown"),
        ({"signals": [_LEAST] * 1_001}, "signals", "has more items than the 1000 that are taken"),
    ],
    ids=str,
)
def test_what_is_neither_a_signal_nor_a_batch_is_refused(document: Any, field: str, why: str) -> None:
    flaw = _flaw(document)
    assert (flaw.field, why in flaw.why) == (field, True)


def test_a_context_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"a": nested(levels - 1)} if levels else {}

    assert _one({**_LEAST, "context": nested(DEEPEST - 1)})
    assert _flaw({**_LEAST, "context": nested(DEEPEST)}).why == f"is nested deeper than {DEEPEST} levels"


def test_many_flaws_are_told_in_part_and_counted() -> None:
    parsed = _parse({"signals": [{}] * 50})
    assert isinstance(parsed, Unacceptable)
    assert len(parsed.flaws) == 11
    assert parsed.flaws[-1] == Flawed("body", "has 290 more flaws")


def test_a_value_that_is_refused_is_never_repeated() -> None:
    assert "hunter2" not in str(
        _parse({**_LEAST, "kind": "hunter2", "at": "hunter2", "service": "hunter2!", "n": "hunter2"})
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(_FULL)), inner),
)


@given(_JSON | st.fixed_dictionaries({"signals": st.lists(_JSON)}))
def test_any_json_is_either_signals_or_flaws(document: Any) -> None:
    assert isinstance(_parse(document), tuple | Unacceptable)


@given(st.binary())
def test_any_bytes_are_either_signals_or_flaws(body: bytes) -> None:
    assert isinstance(parse(body, _NOW), Unacceptable)


@given(st.sampled_from(list(_FULL)), _JSON)
def test_a_signal_with_any_field_replaced_is_read_or_refused(name: str, value: Any) -> None:
    parsed = _parse({**_FULL, name: value})
    if isinstance(parsed, tuple):
        assert Signal.from_json(json.loads(parsed[0].model_dump_json())) == parsed[0]


@given(st.text(st.characters(codec=None)), st.dictionaries(st.text(), st.text() | st.integers() | st.binary()), _JSON)
def test_whatever_the_sdk_renders_this_door_takes(message: str, labels: dict[str, Any], context: Any) -> None:
    buffer = Buffer(2, most_bytes=10_000_000)
    recorder = Recorder(buffer)
    origin = Origin("orders", "drill", recorder.session, {}, {"pid": 1})
    recorder.record("message", message=message, labels=labels, context={"value": context})
    recorder.record("exception", exc=ValueError(message), context=context)
    for _ in range(2):
        sighting = buffer.take()
        assert sighting is not None
        parsed = parse(render(sighting, origin), _NOW)
        assert isinstance(parsed, Message), parsed


def test_the_documented_example_is_taken() -> None:
    page = (Path(__file__).parents[3] / "docs" / "intake.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    assert _one(json.loads(example)).title == "sqlite3.OperationalError"


def test_a_batch_may_tell_of_sessions_also_without_a_signal() -> None:
    told = [{"session": "abc", "issued": 7}, {"session": "def", "issued": 3, "over": True}]
    parsed = parse(json.dumps({"signals": [], "sessions": told}).encode(), _NOW)
    assert isinstance(parsed, Message)
    assert parsed.signals == ()
    assert parsed.news == (SessionNews("abc", 7, over=False, at=_NOW), SessionNews("def", 3, over=True, at=_NOW))
    assert isinstance(parse(b'{"signals": [], "sessions": []}', _NOW), Unacceptable)


@pytest.mark.parametrize("wrong", [{"session": "", "issued": 1}, {"session": "a", "issued": -1}, {"session": "a"}, {}])
def test_what_is_told_of_a_session_has_a_shape(wrong: dict[str, Any]) -> None:
    assert isinstance(parse(json.dumps({"signals": [], "sessions": [wrong]}).encode(), _NOW), Unacceptable)
