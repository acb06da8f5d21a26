"""JSON values as people read them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.wording import written, written_fact, written_members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (None, "null"),
        ("off", "off"),
        (0.25, "0.25"),
        ([1, "zwei"], '[1, "zwei"]'),
        ({"pid": 7, "name": "my job", "holds": "/a/b"}, 'pid=7 name="my job" holds=/a/b'),
        ({"gone": None, "text": "", "deep": {"a": False}}, 'gone=null text="" deep={"a": false}'),
        ({}, ""),
    ],
)
def test_a_value_is_written_as_in_a_playbook_and_an_object_by_its_members(value: object, shown: str) -> None:
    assert written_fact(value) == shown


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=5))
def test_members_stand_on_one_line_and_nothing_of_python_shows(members: dict[str, object]) -> None:
    line = written_members(members)
    assert "\n" not in line
    for name, value in members.items():
        assert f"{name}=" in line
        shown = written(value)
        assert shown in line or json.dumps(value, ensure_ascii=False) in line
