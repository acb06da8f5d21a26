"""How far a server's clock is from ours, by the date of its answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from grace.cli.round_trip import skew


@given(off_s=st.floats(-1e6, 1e6), delay_s=st.floats(0, 10), took_s=st.floats(0, 5), whole=st.booleans())
def test_a_skew_is_never_told_larger_than_it_is(off_s: float, delay_s: float, took_s: float, whole: bool) -> None:
    sent = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=123)
    came = sent + timedelta(seconds=delay_s + took_s)
    theirs = sent + timedelta(seconds=delay_s + off_s)
    dated = theirs.replace(microsecond=0) if whole else theirs
    told = skew(dated, sent, came)
    assert abs(told) <= abs(off_s) + 1e-3
    assert abs(off_s) <= abs(told) + delay_s + took_s + 2 + 1e-3
