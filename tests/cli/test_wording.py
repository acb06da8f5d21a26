from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.cli.wording import ago, beginnings, counted, short_digest, span
from grace.kit.clock import VirtualClock
from grace.kit.ids import IdMint, normal_beginning

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(st.integers(1, 40), st.integers(0, 5))
def test_a_shortened_id_still_belongs_to_one_of_the_list_only(count: int, pause_ms: int) -> None:
    clock = VirtualClock()
    mint = IdMint(clock)
    ids: list[str] = []
    for _ in range(count):
        ids.append(mint.mint("run"))
        clock.advance(pause_ms / 1000)
    shorten = beginnings(ids)
    for one in ids:
        assert [other for other in ids if other.startswith(shorten(one))] == [one]
        assert normal_beginning(shorten(one)) == shorten(one)


def test_ids_made_minutes_apart_are_short() -> None:
    clock = VirtualClock()
    mint = IdMint(clock)
    one = mint.mint("inc")
    clock.advance(60)
    assert len(beginnings([one, mint.mint("inc")])(one)) == len("inc_") + 12


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "0 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
        (-90, "in 1 min"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(seconds: float, says: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), NOON) == says


def test_a_span_a_count_and_a_digest_are_short() -> None:
    assert (span(3.4), counted(1, "run"), counted(0, "run")) == ("3 s", "1 run", "0 runs")
    assert (counted(1, "entry", "entries"), counted(2, "entry", "entries")) == ("1 entry", "2 entries")
    assert short_digest("sha256:" + "ab" * 32) == "sha256:abababababab"
