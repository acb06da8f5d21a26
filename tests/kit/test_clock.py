import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.clock import SystemClock, VirtualClock, from_rfc3339, sleep_unless, to_rfc3339


def test_the_system_clock_tells_utc_and_never_goes_back_in_monotonic_time() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() >= before + 0.001


async def test_the_system_clock_lets_others_run_while_it_waits() -> None:
    ran: list[str] = []
    await asyncio.gather(SystemClock().wait(0.01), asyncio.to_thread(ran.append, "other"))
    assert ran == ["other"]


async def test_virtual_time_moves_by_what_was_waited_and_remembers_it() -> None:
    clock = VirtualClock()
    start = clock.now()
    clock.sleep(2)
    await clock.wait(0.5)
    clock.advance(10)
    assert clock.now() - start == timedelta(seconds=12.5)
    assert clock.monotonic() == 12.5
    assert clock.waits == (2, 0.5)
    assert clock.waited_s == 2.5


def test_a_clock_refuses_to_start_at_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_wait_ends_early_when_it_is_told_to() -> None:
    clock = VirtualClock()
    assert sleep_unless(clock, 10, lambda: clock.monotonic() >= 1)
    assert 1 <= clock.monotonic() < 1.1
    assert not sleep_unless(clock, 2, lambda: False)
    assert 3 <= clock.monotonic() < 3.2


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back_equal(moment: datetime) -> None:
    assert from_rfc3339(to_rfc3339(moment)) == moment


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    assert (to_rfc3339(one) < to_rfc3339(other)) == (one < other)


def test_a_time_of_another_zone_is_written_as_utc() -> None:
    moment = datetime(2026, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert to_rfc3339(moment) == "2026-05-01T10:00:00.000000Z"


@pytest.mark.parametrize("text", ["2026-05-01T10:00:00Z", "2026-05-01T10:00:00.000000+00:00", "", "yesterday"])
def test_another_way_to_write_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Not a UTC time"):
        from_rfc3339(text)


def test_a_time_without_a_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        to_rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001
