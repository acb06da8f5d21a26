import json
from pathlib import Path
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.kit.redaction import TOO_DEEP, TOO_MUCH, Limits, redact, redact_text
from grace.kit.secrets import MARK, names_a_secret, passes_luhn


class Case(TypedDict):
    name: str
    text: str
    hides: list[str]
    keeps: list[str]


CORPUS = json.loads((Path(__file__).parents[1] / "redaction_corpus.json").read_text())
CASES = cast("list[Case]", CORPUS["texts"])
SECRET_NAMES = cast("list[str]", CORPUS["keys"]["secret"])
PLAIN_NAMES = cast("list[str]", CORPUS["keys"]["plain"])

VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([case["text"] for case in CASES]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from([*SECRET_NAMES, *PLAIN_NAMES, "name", "value"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_secret_in_a_text_is_hidden_and_the_rest_stays(case: Case) -> None:
    redacted = redact_text(case["text"])
    assert [secret for secret in case["hides"] if secret in redacted] == []
    assert [part for part in case["keeps"] if part not in redacted] == []


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_stands_under_a_secret_name_is_hidden_whatever_it_is(name: str) -> None:
    assert names_a_secret(name)
    value: dict[str, JsonValue] = {"deep": [{name: "x"}, {name: 7}, {name: {"inner": ["x"]}}]}
    assert redact(value).value == {"deep": [{name: MARK}] * 3}
    assert redact(value).count == 3


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_what_stands_under_a_plain_name_stays(name: str) -> None:
    assert redact({name: "value-123"}).value == {name: "value-123"}


def test_whether_there_was_a_secret_at_all_stays_visible() -> None:
    value: dict[str, JsonValue] = {"password": None, "token": "", "secret": False}
    assert redact(value) == redact(value)
    assert redact(value).value == value
    assert redact(value).count == 0


def test_names_and_values_that_stand_beside_each_other_belong_together() -> None:
    headers: JsonValue = [["authorization", "q"], ["accept", "text/html"]]
    assert redact(headers).value == [["authorization", MARK], ["accept", "text/html"]]
    assert redact({"name": "DB_PASSWORD", "value": "q"}).value == {"name": "DB_PASSWORD", "value": MARK}


def test_a_secret_in_a_key_is_hidden_too() -> None:
    assert redact({"password=hunter2": 1}).value != {"password=hunter2": 1}
    assert "hunter2" not in json.dumps(redact({"x password=hunter2": 1}).value)


@given(VALUES)
def test_redacting_again_changes_nothing(value: JsonValue) -> None:
    once = redact(value, emails=True)
    again = redact(once.value, emails=True)
    assert again.value == once.value
    assert again.count == 0


PIECES = (
    "password",
    "token",
    "user",
    ":",
    "=",
    "=>",
    " ",
    "  ",
    "\n",
    "- ",
    "+",
    "|",
    ">",
    "[",
    "]",
    "{",
    "}",
    "(",
    '"',
    "'",
    "\\",
)


@given(st.lists(st.sampled_from([*PIECES, '"""', "---", "hunter2", MARK, "[cut]"]), max_size=25).map("".join))
def test_redacting_what_looks_like_a_file_again_changes_nothing(text: str) -> None:
    once = redact(text)
    again = redact(once.value)
    assert again.value == once.value
    assert again.count == 0


@pytest.mark.parametrize(
    "nested", ["- hunter2", "- - hunter2", "-\n    - hunter2", "a: hunter2", "hunter2", "- a: hunter2"]
)
@given(
    st.integers(0, 3), st.sampled_from(["", "+", "-", " "]), st.sampled_from(["password", "apiKeys", "client_secret"])
)
def test_what_stands_further_in_than_a_secret_name_is_hidden_until_the_dedent(
    nested: str, inward: int, column: str, name: str
) -> None:
    lines = [f"{name}:", *(f"  {line}" for line in nested.split("\n")), "user: bob", "  - ann"]
    text = "\n".join(f"{column}{'  ' * inward}{line}" for line in lines)
    redacted = redact_text(text)
    assert "hunter2" not in redacted
    assert redacted.splitlines()[-2:] == text.splitlines()[-2:]


@given(VALUES)
def test_what_was_given_is_left_as_it_was(value: JsonValue) -> None:
    before = json.dumps(value)
    redact(value)
    assert json.dumps(value) == before


@given(VALUES, st.integers(1, 40), st.integers(0, 4), st.integers(1, 12))
def test_the_limits_hold_for_every_value(value: JsonValue, text: int, depth: int, items: int) -> None:
    limits = Limits(depth=depth, items=items, text=text + 40)
    once = redact(value, limits=limits)
    assert redact(once.value, limits=limits).value == once.value
    assert _deepest(once.value) <= depth + 1
    assert _longest(once.value) <= text + 40


def test_what_is_too_deep_or_too_much_does_not_pass() -> None:
    deep: JsonValue = {"a": {"b": {"c": "far down"}}}
    assert redact(deep, limits=Limits(depth=2)).value == {"a": {"b": TOO_DEEP}}
    many: JsonValue = list(range(100))
    kept = cast("list[JsonValue]", redact(many, limits=Limits(items=10)).value)
    assert len(kept) < 12
    assert kept[-1] == TOO_MUCH


def test_a_secret_is_not_cut_in_half_at_the_limit() -> None:
    text = "word " * 20 + "postgres://shop:pa55word@db/orders"
    assert "pa55" not in redact_text(text, limits=Limits(text=len(text) - 12))


def test_emails_are_hidden_when_asked() -> None:
    text = "mail bob.smith+x@mail.example.org now"
    assert redact_text(text) == text
    assert redact_text(text, emails=True) == f"mail {MARK} now"


def test_the_check_digit_is_that_of_the_standard() -> None:
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398710")


@pytest.mark.parametrize(
    "piece",
    [
        *("-----BEGIN PRIVATE KEY-----", "password", "://", "a" * 50, "eyJ", "4", "Bearer ", "token=", "--token ", "@"),
        *(
            "<password>",
            "<a ",
            "<key>password</key>",
            "&lt;token&gt;",
            '<a name="token" ',
            "mysql ",
            "mysql -p",
            "curl -u ",
        ),
        *(
            "password for ",
            "password for a ",
            "password%3D",
            "password%3D%22",
            "%25",
            'password\\\\"=',
            "\\",
            "://a:b/",
        ),
        *("api.telegram.org/bot", "A_", "aB", "tokens", "docker login ", "authorization: digest "),
    ],
)
@pytest.mark.timeout(30)
def test_a_hostile_text_does_not_stop_the_door(piece: str) -> None:
    """A pattern that backtracks over 64 KiB takes minutes, not milliseconds, and runs into the limit of the test."""
    once = redact_text((piece * 70_000)[:65_536], emails=True)
    assert redact_text(once, emails=True) == once


def _deepest(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max((_deepest(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_deepest(item) for item in value), default=0)
    return 0


def _longest(value: JsonValue) -> int:
    if isinstance(value, dict):
        return max((max(len(key), _longest(item)) for key, item in value.items()), default=0)
    if isinstance(value, list):
        return max((_longest(item) for item in value), default=0)
    return len(value) if isinstance(value, str) else 0
