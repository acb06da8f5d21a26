"""A duration that is longer than time itself is refused where it is read, so that nothing overflows later."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from grace.model.quantities import LONGEST_S, Duration, DurationTooLongError, duration_s
from grace.model.restraint import Restraint
from grace.think.playbooks.format import InputType
from grace.think.playbooks.inputs import InputInvalidError, read_value


@pytest.mark.parametrize("written", ["3651d", "87601h", "9" * 400 + "d", LONGEST_S + 1, 10**400, float("inf")])
def test_nothing_longer_than_ten_years_is_a_duration(written: object) -> None:
    with pytest.raises(DurationTooLongError, match="too long; 3650d at most"):
        duration_s(written)


@given(st.sampled_from(["ms", "s", "m", "h", "d"]), st.integers(min_value=0))
def test_a_duration_that_is_read_can_be_added_to_any_time_of_our_days(unit: str, number: int) -> None:
    try:
        seconds = duration_s(f"{number}{unit}")
    except DurationTooLongError:
        return
    now = datetime(2126, 1, 1, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(now + 2 * seconds, UTC) >= datetime.fromtimestamp(now - 2 * seconds, UTC)


def test_a_duration_in_a_file_is_refused_by_its_field() -> None:
    with pytest.raises(ValidationError, match=r"open_for\n.*3650d at most"):
        Restraint.model_validate({"open_for": "99999999d", "longest_open": "99999999d"})
    with pytest.raises(ValidationError, match="3650d at most"):
        TypeAdapter(Duration).validate_python(1e300)


@pytest.mark.parametrize("kind", [InputType.INTEGER, InputType.NUMBER, InputType.DURATION, InputType.SHARE])
def test_a_number_of_four_hundred_digits_is_refused_and_not_an_accident(kind: InputType) -> None:
    with pytest.raises(InputInvalidError):
        read_value(kind, 10**400)
