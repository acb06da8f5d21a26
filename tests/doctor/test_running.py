from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from grace.doctor.running import LARGEST_LAG, Server, Witnessed, halts, subscriber, witness
from grace.doctor.software import python, sqlite, sqlite_of_targets
from grace.govern.halt.switch import Halt
from grace.kit.clock import VirtualClock
from grace.model.examination import Health
from grace.record.mesh.subscription import MOST_HANGING, Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Progress(
    name="webhook:pager",
    types=frozenset(),
    concurrency=1,
    delivered=10,
    behind=0,
    oldest_waiting_at=None,
    under_way=0,
    resting=0,
    hanging=0,
    last_delivery_at=None,
    last_error=None,
    last_error_at=None,
    disabled_why=None,
)


@pytest.mark.parametrize(
    ("told", "dead", "health", "advice"),
    [
        (GOOD, 0, Health.OK, ""),
        (replace(GOOD, disabled_why="410 Gone"), 0, Health.FAILED, "grace mesh enable webhook:pager"),
        (replace(GOOD, hanging=MOST_HANGING), 0, Health.FAILED, "grace mesh status"),
        (GOOD, 3, Health.WARNING, "grace mesh letters webhook:pager"),
        (replace(GOOD, behind=LARGEST_LAG + 1), 0, Health.WARNING, "grace mesh status"),
    ],
)
def test_who_does_not_get_every_event_is_told(told: Progress, dead: int, health: Health, advice: str) -> None:
    one = subscriber(told, dead)
    assert one.health is health
    assert one.next.startswith(advice)


@pytest.mark.parametrize(
    ("held", "health"),
    [
        (Witnessed(10, 10, NOW - timedelta(hours=5), None), Health.OK),
        (Witnessed(10, 10, None, None), Health.OK),
        (Witnessed(10, 8, NOW - timedelta(seconds=1), None), Health.OK),
        (Witnessed(10, 8, NOW - timedelta(minutes=1), None), Health.WARNING),
        (Witnessed(10, 8, NOW, "The witness cannot keep checkpoints: no space left"), Health.FAILED),
    ],
)
def test_a_witness_that_falls_behind_is_told(held: Witnessed, health: Health) -> None:
    assert witness(held, NOW).health is health


def test_a_halt_that_stands_is_warned_of_with_the_command_that_ends_it() -> None:
    stand = [Halt("h1", "*", "ann", "storm", NOW, None), Halt("h2", "shop", "ben", "release", NOW, None)]
    assert [one.next for one in halts(stand)] == ["grace halt --end", "grace halt --end --service shop"]
    assert [one.health for one in halts([])] == [Health.OK]


def test_a_record_that_cannot_be_written_fails() -> None:
    server = Server(
        VirtualClock(), lambda: "Nothing was written: disk full", list, list, lambda: Witnessed(0, 0, None, None)
    )
    assert next(iter(server.checks())).health is Health.FAILED


@pytest.mark.parametrize(
    ("version", "options", "threads", "health"),
    [
        ((3, 40, 1), ["THREADSAFE=1"], 3, Health.OK),
        ((3, 31, 0), [], 3, Health.FAILED),
        ((3, 40, 1), ["OMIT_WAL"], 3, Health.FAILED),
        ((3, 40, 1), [], 0, Health.FAILED),
    ],
)
def test_a_library_that_lacks_what_is_needed_fails(
    version: tuple[int, ...], options: list[str], threads: int, health: Health
) -> None:
    assert sqlite(version, options, threads).health is health


def test_an_old_python_and_a_library_without_sessions_fail() -> None:
    assert python((3, 10, 4), "3.10.4").health is Health.FAILED
    assert python((3, 13, 0), "3.13.0").health is Health.OK
    assert sqlite_of_targets('["3.50.0", "ENABLE_SESSION"]').health is Health.FAILED
    assert sqlite_of_targets('["3.50.0", "ENABLE_SESSION", "ENABLE_PREUPDATE_HOOK"]').health is Health.OK
