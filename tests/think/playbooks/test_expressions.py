from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.think.playbooks.evaluation import AbsentError, equal, evaluate, fill, holds
from grace.think.playbooks.expressions import (
    ExpressionInvalidError,
    parse_condition,
    parse_piped,
    parse_template,
)

VALUES: dict[str, JsonValue] = {
    "inputs": {"name": "  Main DB ", "path": "/srv/a/b.db", "limit": 3.0, "on": True, "nothing": None},
    "find": {"holder": {"pid": 7, "held_s": 9.5, "tags": ["x", "y"]}, "rows": [{"id": 1}, {"id": 2}]},
    "incident": {"labels": {"app.io/name": "orders"}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("find.holder.pid", 7),
        ("find.rows[1].id", 2),
        ("find.rows[-1].id", 2),
        ('incident.labels["app.io/name"]', "orders"),
        ("'it''s' | length", None),
        ('"a\\"b"', 'a"b'),
        ("inputs.name | trim | lower", "main db"),
        ("inputs.name | trim | upper", "MAIN DB"),
        ("inputs.path | basename", "b.db"),
        ("inputs.path | dirname", "/srv/a"),
        ("inputs.path | replace('/', '_')", "_srv_a_b.db"),
        ("inputs.limit | text", "3"),
        ("find.holder.held_s | int", 9),
        ("'2.5' | float", 2.5),
        ("find.holder.held_s | round", 10),
        ("2.345 | round(1)", 2.3),
        ("find.holder.tags | first", "x"),
        ("find.holder.tags | last", "y"),
        ("find.holder.tags | length", 2),
        ("find.holder.tags | join(', ')", "x, y"),
        ("inputs.absent | default(4)", 4),
        ("inputs.nothing | default('none')", "none"),
        ("inputs.limit | default(4)", 3.0),
    ],
)
def test_a_path_with_filters_has_a_value(text: str, value: JsonValue) -> None:
    if value is None:
        with pytest.raises(ExpressionInvalidError):
            parse_piped(text)
        return

    assert equal(evaluate(parse_piped(text), VALUES), value)


@pytest.mark.parametrize(
    "text",
    [
        "find.nobody",
        "find.holder.age",
        "find.rows[9]",
        "inputs.name.first",
        "find.holder.tags | first | int",
        "'' | first",
    ],
)
def test_a_path_that_leads_nowhere_is_said_and_not_guessed(text: str) -> None:
    with pytest.raises(AbsentError):
        evaluate(parse_piped(text), VALUES)


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("find.holder.held_s > 5", True),
        ("find.holder.held_s <= inputs.limit", False),
        ("inputs.on", True),
        ("not inputs.on", False),
        ("inputs.on and find.holder.pid == 7", True),
        ("inputs.on == 1", False),
        ("inputs.limit == 3", True),
        ("inputs.path != '/x' or inputs.absent", True),
        ("not (inputs.on and false)", True),
        ("inputs.on and not false or false", True),
        ("inputs.nothing == null", True),
        ("find.holder.tags | length >= 2", True),
    ],
)
def test_a_condition_is_true_or_false(text: str, is_true: bool) -> None:
    assert holds(parse_condition(text), VALUES) is is_true


@pytest.mark.parametrize("text", ["inputs.name > 5", "inputs.name", "inputs.absent", "inputs.on > 0"])
def test_a_condition_that_cannot_be_told_is_neither(text: str) -> None:
    with pytest.raises(AbsentError):
        holds(parse_condition(text), VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.",
        "a b",
        "a ==",
        "(a",
        "a)",
        "a | ",
        "a | f(",
        "a | f(b)",
        "and",
        "a.b[",
        "a[1.5]",
        "a[true]",
        "1.2.3",
        "a = b",
        "a; b",
        "__import__('os').system('x')",
        "a + b",
        "a if b else c",
        "[a]",
        "{a}",
        "lambda: 1",
        "${{ a }}",
        "(" * 60 + "a" + ")" * 60,
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ExpressionInvalidError):
        parse_condition(text)


@given(st.one_of(st.text(), st.text(alphabet="ab.01 ()|[]'\"\\,=<>!andornot${}")))
def test_any_text_is_an_expression_or_refused_as_one(text: str) -> None:
    for parse in (parse_condition, parse_piped, parse_template):
        try:
            parse(text)
        except ExpressionInvalidError as error:
            assert str(error)  # noqa: PT017 - any other kind of error would fail the test


def test_a_lone_reference_keeps_its_type() -> None:
    assert fill({"a": "${{ find.holder }}", "b": ["${{inputs.on}}"]}, VALUES) == {
        "a": {"pid": 7, "held_s": 9.5, "tags": ["x", "y"]},
        "b": [True],
    }


def test_references_inside_text_become_text() -> None:
    assert fill("pid ${{ find.holder.pid }} for ${{ inputs.limit }} s, ${{ '}}' }}", VALUES) == "pid 7 for 3 s, }}"


def test_an_object_cannot_stand_inside_text() -> None:
    with pytest.raises(AbsentError, match="inside a text"):
        fill("it is ${{ find.holder }}", VALUES)


def test_a_value_cannot_bring_a_reference_in() -> None:
    with pytest.raises(AbsentError, match="no value may"):
        fill("${{ incident.title }}", {"incident": {"title": "see ${{ do.a.secret }}"}})


def test_an_output_of_a_write_waits_until_there_is_one() -> None:
    assert fill("at ${{do.w.size | text}}", VALUES) == "at ${{ do.w.size | text }}"
    assert fill("at ${{ do.w.size | text }}", {"do": {"w": {"size": 3}}}) == "at 3"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_a_value_equals_itself_and_a_boolean_no_number(value: JsonValue) -> None:
    assert equal(value, value)
    assert not (isinstance(value, bool) and equal(value, int(value)))
