"""Where a signal was redacted, as `grace source test` names it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from grace.cli.source import redacted_places
from grace.kit.redaction import redact
from grace.kit.secrets import CUT, MARK

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["fine", MARK, f"a {MARK} b", CUT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(PLAIN)
def test_every_place_that_was_redacted_is_named_and_no_other(value: Any) -> None:
    def at(place: str) -> Any:
        found: Any = value
        for name in filter(None, place.split(".")):
            found = found[int(name)] if name.isdigit() else found[name]
        return found

    places = list(redacted_places(value))
    assert all(MARK in at(place) or CUT in at(place) for place in places)
    assert len(places) == str(value).count(MARK) + str(value).count(CUT)


def test_what_the_door_takes_out_is_found_again() -> None:
    taken = redact({"user": "ann", "password": "hunter2hunter2", "urls": ["postgres://u:geheim123@db/x"]}).value
    assert set(redacted_places(taken)) == {"password", "urls.0"}
