from __future__ import annotations

import pytest
from grace_sdk.client import Json

from grace.cli.calls import CommandFailed
from grace.cli.expecting import read_expectation


@pytest.mark.parametrize(
    ("written", "clause"),
    [
        ("metric service.error_rate at_most 0.01", {"metric": "service.error_rate", "at_most": 0.01}),
        (
            "metric service.x at_least -3 within 10s for 2m",
            {"metric": "service.x", "at_least": -3, "within": "10s", "for": "2m"},
        ),
        ("benchmark service.smoke worsens_at_most 20%", {"benchmark": "service.smoke", "worsens_at_most": "20%"}),
        (
            "probe file.value path=/etc/app.yaml key=pool is 30 every 1s",
            {"probe": "file.value", "with": {"path": "/etc/app.yaml", "key": "pool"}, "is": 30, "every": "1s"},
        ),
        (
            "probe file.exists 'path=/srv/with space' is true",
            {"probe": "file.exists", "with": {"path": "/srv/with space"}, "is": True},
        ),
        ("probe x.y url=http://h/?a=b is_not nan", {"probe": "x.y", "with": {"url": "http://h/?a=b"}, "is_not": "nan"}),
    ],
)
def test_an_expectation_is_a_clause_in_one_line(written: str, clause: dict[str, Json]) -> None:
    assert read_expectation(written) == clause


@pytest.mark.parametrize(
    "written",
    [
        "",
        "metric",
        "metric service.x",
        "metric service.x at_most",
        "probe 'x is 1",
        "probe a.b word is 1",
        "metric service.x at_most 1 for",
    ],
)
def test_what_is_no_clause_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        read_expectation(written)
    assert "--expect 'metric service.error_rate at_most 0.01" in refused.value.next_step
