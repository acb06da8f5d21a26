from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import grace_sdk
import pytest
from grace_sdk import blocks, letters, names, phrases
from grace_sdk.redaction import REDACTED, is_secret_name, redact, redact_labels, redact_text
from hypothesis import given
from hypothesis import strategies as st

from grace.kit import secret_blocks, secret_letters, secret_names, secret_phrases
from tests.sdk.sink import Sink

_CORPUS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "redaction_corpus.json").read_text())
_TEXTS: list[dict[str, Any]] = _CORPUS["texts"]
_PIECES = ("password", "token", "user", ":", "=", " ", "  ", "\n", "- ", "|", "[", "]", "{", '"', "'", '"""', "hunter2")


@pytest.mark.parametrize("case", _TEXTS, ids=lambda case: case["name"])
def test_what_must_be_hidden_is_hidden_and_the_rest_stays(case: dict[str, Any]) -> None:
    redacted = redact_text(case["text"])
    assert [secret for secret in case["hides"] if secret in redacted] == []
    assert [part for part in case["keeps"] if part not in redacted] == []


@pytest.mark.parametrize("case", _TEXTS, ids=lambda case: case["name"])
def test_redacting_twice_changes_nothing_more(case: dict[str, Any]) -> None:
    once = redact_text(case["text"])
    assert redact_text(once) == once


@given(st.lists(st.sampled_from([*_PIECES]), max_size=25).map("".join))
def test_what_looks_like_a_file_is_redacted_once_for_all(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@pytest.mark.parametrize(
    ("ours", "the_servers"),
    [(blocks, secret_blocks), (letters, secret_letters), (names, secret_names), (phrases, secret_phrases)],
)
def test_server_and_sdk_see_the_same_secrets(ours: ModuleType, the_servers: ModuleType) -> None:
    assert inspect.getsource(ours) == inspect.getsource(the_servers)


_ALIKE = (
    "p\u0430ssword",
    "pass\u200bword",
    "t\u043eken",
    "\uff1d",
    "=",
    ":",
    " ",
    "\n",
    '"',
    "\u200d",
    "\ufb01x",
    "w\u00f6rt",
    "hunter2",
)


@given(st.lists(st.sampled_from(_ALIKE), max_size=15).map("".join))
def test_what_only_an_eye_sees_is_hidden_as_if_it_were_written_and_nothing_is_added(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once
    as_written, as_seen = redact_text(letters.plain(text)), letters.plain(once)
    assert as_seen.count("hunter2") <= as_written.count("hunter2")
    rest = iter(text)
    assert all(letter in rest for part in once.split(REDACTED) for letter in part), "what is kept stood there"


@pytest.mark.parametrize(
    ("text", "found", "stays"),
    [
        ("\u0430=12 b\u00f6", "a=[redacted] bo", "\u0430=[redacted] b\u00f6"),
        ("\u0430=1,2,3, b", "a=[redacted],[redacted] b", "\u0430=[redacted] b"),
        ("\u0430=1", "something else", "something else"),
    ],
)
def test_a_mask_that_could_be_in_two_places_covers_both(text: str, found: str, stays: str) -> None:
    assert letters.masked(text, found, REDACTED) == stays


@pytest.mark.parametrize("name", _CORPUS["keys"]["secret"])
def test_the_value_under_a_secret_key_is_hidden_at_any_depth(name: str) -> None:
    assert redact({"a": [{name: "value-123"}]}) == {"a": [{name: REDACTED}]}
    assert redact({name: {"inner": ["value-123"]}}) == {name: REDACTED}
    assert redact_labels({name: "value-123"}) == {name: REDACTED}


@pytest.mark.parametrize("name", _CORPUS["keys"]["secret"])
def test_what_a_secret_name_is_given_in_a_text_is_hidden(name: str) -> None:
    assert redact_text(f"x {name}=zq-123\ny") == f"x {name}={REDACTED}\ny"
    assert "zq-123" not in redact_text(f'{{"{name}"= "zq-123", "y": 1}}')


@pytest.mark.parametrize("name", _CORPUS["keys"]["plain"])
def test_the_value_under_a_plain_key_stays(name: str) -> None:
    assert not is_secret_name(name)
    assert redact({name: "value-123"}) == {name: "value-123"}


def test_whether_a_secret_was_given_at_all_stays_visible() -> None:
    assert redact({"password": None, "token": "", "secret": False}) == {"password": None, "token": "", "secret": False}


@given(st.text(), st.text(st.characters(categories=["L", "N"]), min_size=8), st.text())
def test_a_password_is_hidden_whatever_stands_around_it(before: str, secret: str, after: str) -> None:
    redacted = redact_text(f"{before} password={secret}; {after}")
    assert f"password={secret}" not in redacted


@given(st.text(max_size=2_000))
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redact_text(text), str)


def test_no_secret_leaves_the_process_by_any_way(sink: Sink) -> None:
    canary = "canary-7f3a9c"
    grace_sdk.init(sink.dsn(), labels={"api_token": canary})
    error = RuntimeError(f"password={canary}")
    error.__cause__ = ConnectionError(f"cannot open postgresql://shop:{canary}@db/orders")
    context = {"headers": {"Cookie": canary}, "lines": [f"token={canary}"], f"pwd={canary}": 1}
    grace_sdk.capture(error, labels={"secret": canary}, context=context)
    grace_sdk.capture(message=f"Authorization: Bearer {canary}")
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 2
    assert canary not in json.dumps(sink.requests)


@dataclasses.dataclass
class _Account:
    name: str
    password: str
    parts: list[object] = dataclasses.field(default_factory=list[object])
    pin: str = dataclasses.field(default="canary-7f3a9c", repr=False)


@dataclasses.dataclass(slots=True)
class _Slotted:
    token: str


class _Client:
    def __repr__(self) -> str:
        return "canary-7f3a9c"


class _Login(NamedTuple):
    user: str
    password: str


_PEM = "-----BEGIN PRIVATE KEY-----\nMIIEcanary-7f3a9c\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "context",
    [
        {"a": {"b": [{"password": "canary-7f3a9c"}]}},
        {"a": ({"tokens": 3, "api_key": ["canary-7f3a9c"]},)},
        {"account": _Account("bob", "canary-7f3a9c")},
        {"account": _Account("bob", "x", [{"secret": _Login("bob", "canary-7f3a9c")}])},
        {"slotted": [_Slotted("canary-7f3a9c")]},
        {"login": _Login("bob", "canary-7f3a9c")},
        {"headers": [("Authorization", "Bearer canary-7f3a9c"), ["cookie", "a=canary-7f3a9c"]]},
        {"headers": [(b"authorization", b"Bearer canary-7f3a9c")]},
        {"raw": b"password=canary-7f3a9c"},
        {"url": "https://bob:canary-7f3a9c@example.org/x?api_key=canary-7f3a9c"},
        {"dsn": "postgresql://bob:canary-7f3a9c@db:5432/orders?sslmode=on"},
        {"text": f"could not read {_PEM}"},
        {"text": "claims of eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.canary-7f3a9c are stale"},
        {"error": ValueError("password=canary-7f3a9c")},
        {"error": ValueError("no", {"password": "canary-7f3a9c"})},
        {"password=canary-7f3a9c": 1},
        {"object": _Client()},
    ],
    ids=str,
)
def test_a_secret_is_removed_from_whatever_a_context_is_made_of(sink: Sink, context: dict[str, Any]) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(ValueError("at all", context), context=context)
    assert grace_sdk.flush(20.0)
    assert len(sink.signals) == 1
    assert "canary-7f3a9c" not in json.dumps(sink.requests)


def test_local_variables_never_leave_the_process(sink: Sink) -> None:
    def fail() -> None:
        card = "canary-7f3a9c"
        raise RuntimeError(len(card))

    grace_sdk.init(sink.dsn())
    try:
        fail()
    except RuntimeError as exc:
        grace_sdk.capture(exc)
    assert grace_sdk.flush(20.0)
    assert "canary-7f3a9c" not in json.dumps(sink.requests)


def test_fields_keep_their_names_so_that_the_rest_can_be_read(sink: Sink) -> None:
    grace_sdk.init(sink.dsn())
    grace_sdk.capture(message="x", context={"account": _Account("bob", "y"), "login": _Login("ann", "z")})
    assert grace_sdk.flush(20.0)
    context = sink.wait_for(1)[0]["context"]
    assert context["account"] == {"name": "bob", "password": REDACTED, "parts": []}
    assert context["login"] == {"user": "ann", "password": REDACTED}
