"""A duration that is none is refused in the words of its option, before any server is asked."""

from __future__ import annotations

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("banana", "--since: not a duration: 'banana'; write it like 500ms, 3s, 2m, 1h or 1d"),
        ("", "--since: not a duration: ''"),
        ("0d", "--since: '0d' is no time at all; say more than 0"),
        ("367d", "--since: '367d' is too long; 366d at most"),
        (f"{'9' * 300}d", "is too long; 366d at most"),
    ],
)
def test_a_span_that_is_none_is_told_with_the_option_and_an_example(grace: Grace, written: str, says: str) -> None:
    said = grace("report", "--since", written, "--server", "http://127.0.0.1:9")
    assert said.code == Exit.USAGE
    assert says in said.err
    assert "grace report --since 30d" in said.err
