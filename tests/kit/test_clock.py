import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.clock import SteadyClock, SystemClock, VirtualClock, from_rfc3339, sleep_unless, to_rfc3339


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


class Machine:
    """A machine whose wall clock somebody sets; the monotonic one goes on."""

    def __init__(self, wall_s: int = 1_800_000_000) -> None:
        self.wall_ns = wall_s * 10**9
        self.steady_ns = 5 * 10**9

    def pass_s(self, seconds: float) -> None:
        self.wall_ns += round(seconds * 10**9)
        self.steady_ns += round(seconds * 10**9)

    def set_by(self, seconds: float) -> None:
        self.wall_ns += round(seconds * 10**9)

    @property
    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.wall_ns / 10**9, UTC)

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall_ns, lambda: self.steady_ns)


def test_time_goes_on_at_its_pace_when_the_machines_clock_is_set_back() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.now()
    machine.set_by(-3600)
    machine.pass_s(18)
    assert clock.now() - before == timedelta(seconds=18)
    assert clock.behind_s == 3600
    assert [round(jump.by_s) for jump in clock.jumps] == [-3600]


def test_a_clock_that_is_set_ahead_is_followed_and_told_of_once() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.set_by(60)
    assert clock.now() == machine.wall
    assert [jump.by_s for jump in clock.untold_jumps()] == [60]
    assert clock.untold_jumps() == ()
    assert clock.behind_s == 0


def test_time_follows_the_machine_again_once_its_clock_is_past_it() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.set_by(-10)
    clock.now()
    machine.set_by(25)
    assert clock.now() == machine.wall
    assert [jump.by_s for jump in clock.jumps] == [-10, 25]


def test_time_begins_at_the_newest_time_on_the_record() -> None:
    machine = Machine()
    clock = machine.clock()
    newest = machine.wall + timedelta(hours=1)
    clock.not_before(newest)
    assert clock.now() == newest
    machine.pass_s(2)
    assert clock.now() == newest + timedelta(seconds=2)
    assert clock.behind_s == 3600


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e3)), max_size=20))
def test_steady_time_never_goes_back_and_never_stands_still(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    last = clock.now()
    for set_by, passed in steps:
        machine.set_by(set_by)
        machine.pass_s(passed)
        now = clock.now()
        assert now >= last + timedelta(seconds=passed) - timedelta(microseconds=1)
        assert now >= machine.wall - timedelta(microseconds=1)
        last = now
