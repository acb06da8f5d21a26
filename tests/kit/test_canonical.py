import io
import json
import math
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.canonical import Json, JsonInvalidError, NotCanonicalError, canonical, canonical_each, parse_json
from grace.kit.digests import digest_of, digest_of_bytes, digest_of_stream, sha256_hex

INTEGERS = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=20
)


class Colour(StrEnum):
    RED = "red"


@given(VALUES)
def test_the_bytes_are_those_of_the_reference(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # pyright: ignore[reportArgumentType]


@given(st.dictionaries(st.text(), st.text() | INTEGERS))
def test_plain_values_take_the_fast_way_to_the_same_bytes(value: dict[str, str | int]) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # pyright: ignore[reportArgumentType]


@given(st.lists(st.floats(-1e16, 1e16) | st.floats(-1, 1) | st.floats(-1e-3, 1e-3) | INTEGERS.map(float)))
def test_numbers_with_a_point_take_the_fast_way_to_the_same_bytes(value: list[float]) -> None:
    assert canonical({"n": value}) == rfc8785.dumps({"n": [*value]})


@given(st.lists(st.dictionaries(st.text(), SCALARS) | st.dictionaries(st.text("ab"), VALUES), max_size=4))
def test_many_at_once_are_written_as_each_alone(objects: list[dict[str, Json]]) -> None:
    assert canonical_each(objects) == [canonical(one) for one in objects]


@pytest.mark.parametrize(
    "bad", [{"a": math.nan}, {"a": 2**53}, {"a": "\ud800"}, {"\ud800": 1}, {1: 2}, {"a": b"bytes"}]
)
def test_one_among_many_that_has_no_canonical_form_is_refused(bad: dict[str, Json]) -> None:
    with pytest.raises(NotCanonicalError):
        canonical_each([{"a": 1}, bad])


@given(VALUES)
def test_reading_and_writing_again_gives_the_same_bytes(value: Json) -> None:
    once = canonical(value)
    assert canonical(parse_json(once)) == once


@given(VALUES)
def test_canonical_text_is_read_the_fast_way_to_the_same_value(value: Json) -> None:
    text = canonical(value)
    assert repr(parse_json(text)) == repr(parse_json(text.decode())) == repr(parse_json(b" " + text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.0, 1e21, 1e-7, 0.1, -0.0]}, '{"a":[1,1e+21,1e-7,0.1,0],"b":1}'),
        ({"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}, None),
        ('\u20ac$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ((1, (2,)), "[1,[2]]"),
        (MappingProxyType({"a": ()}), '{"a":[]}'),
        ({"kind": Colour.RED}, '{"kind":"red"}'),
        (1e17, "100000000000000000"),
    ],
)
def test_the_cases_of_the_standard_come_out_right(value: Json, text: str | None) -> None:
    if text is None:
        keys = list(json.loads(canonical(value)))
        assert keys == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]
    else:
        assert canonical(value).decode() == text


def test_a_large_float_survives_reading_back() -> None:
    assert canonical(parse_json(canonical({"n": 1.7e300, "m": 1e17}))) == canonical({"m": 1e17, "n": 1.7e300})


def _deep() -> Json:
    value: Json = 1
    for _ in range(5000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**53, -(2**53), {"a": "\ud800"}, {"\ud800": 1}, {1: 2}, b"bytes", {"a": {1, 2}}, _deep()],
)
def test_what_has_no_canonical_form_is_refused(value: Json) -> None:
    with pytest.raises(NotCanonicalError):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', "NaN", "[Infinity]", "-Infinity", "1e999", "9" * 400, "", "{", '"\\ud800', "[1,]", "[" * 100_000],
)
def test_what_is_not_one_clear_json_value_is_refused(text: str) -> None:
    with pytest.raises(JsonInvalidError):
        parse_json(text)


@given(st.dictionaries(st.text(), SCALARS, min_size=2))
def test_the_order_of_keys_does_not_change_a_digest(value: Mapping[str, Json]) -> None:
    assert digest_of({key: value[key] for key in reversed(list(value))}) == digest_of(value)


def test_digests_name_their_algorithm() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_hex(b"") == empty
    assert digest_of_bytes(b"") == f"sha256:{empty}"


def test_a_stream_has_the_digest_of_its_bytes() -> None:
    assert digest_of_stream(io.BytesIO(b"x" * 3_000_000)) == digest_of_bytes(b"x" * 3_000_000)
