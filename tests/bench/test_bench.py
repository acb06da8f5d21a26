"""Each row of `make bench` is measured for real, with sizes so small that only the way is tried, never the time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from bench import capture, false_drift, intake, ledger_append, ledger_proof, policy, start, storm, verified_write
from bench.rows import Aim, Row, against_limit, at_least, at_most
from bench.run import GROUPS, PROCESSES, closing, main, middle, table


def elsewhere(measure: Callable[[], list[Row]]) -> list[Row]:
    """Measure in a process of its own: the peer patches the standard library for good, and other tests look at it."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure).result()


SMALL: dict[str, Callable[[], list[Row]]] = {
    "capture": lambda: elsewhere(partial(capture.measure, rounds=3, warm_up=1)),
    "ledger": lambda: ledger_append.measure(rounds=2, groups=2),
    "run": lambda: verified_write.measure(runs=2, warm_up=1),
    "intake": lambda: intake.measure(seconds=0.2, warm_up_s=0.1),
    "storm": lambda: storm.measure(signals=1_000),
    "policy": lambda: policy.measure(count=9, questions=10),
    "proof": lambda: ledger_proof.measure(entries=2_000, proofs=3),
    "start": lambda: start.measure(starts=1),
    "drift": lambda: false_drift.measure(series_length=300, rounds=5, counts=(20,)),
}


def test_every_group_has_a_small_measurement() -> None:
    assert SMALL.keys() == GROUPS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("group", SMALL)
def test_a_group_measures_ratios(group: str) -> None:
    rows = SMALL[group]()
    assert rows
    for row in rows:
        assert row.ours >= 0
        assert row.peer > 0
        assert row.ratio >= 0
        assert row.against


def test_an_aim_is_met_on_its_own_side_only() -> None:
    assert at_most(2).is_met_by(2)
    assert not at_most(2).is_met_by(2.01)
    assert at_least(0.7).is_met_by(0.7)
    assert not at_least(0.7).is_met_by(0.69)


def test_the_table_shows_each_row_with_its_aim_and_its_note() -> None:
    rows = [
        against_limit("start", 1.0, at_most(1), 2.0, "s", "median of 5"),
        Row("p99", 3.0, 1.5, "ms", "a peer", 2.0, None),
        Row("rate", 900.0, 1000.0, "/s", "a peer", 0.9, Aim(1.0, is_ceiling=False)),
    ]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["✓", "start", "1.00", "s", "the", "limit", "2.00", "s", "0.5", "≤", "1"]
    assert lines[2].strip() == "median of 5"
    assert lines[3].split()[0] == "p99"
    assert lines[4].startswith("✗")
    assert closing(rows, ["intake"], ["drift"]) == (
        "1 of 2 aims met. Not measured: intake (failed), drift (not asked for)."
    )


def test_of_several_processes_the_middle_one_counts_and_the_others_are_told() -> None:
    rows = [Row("run", ratio, 1.0, "ms", "a peer", ratio, at_most(2), "10 steps") for ratio in (2.1, 1.8, 1.95)]
    assert middle(rows[:1]) is rows[0]
    chosen = middle(rows)
    assert (chosen.ours, chosen.ratio) == (1.95, 1.95)
    assert chosen.note == "10 steps; the middle of 3 processes, 1.8 to 2.1"


def test_the_middle_of_an_odd_number_of_processes_is_one_of_them() -> None:
    assert PROCESSES.keys() <= GROUPS.keys()
    assert all(number % 2 for number in PROCESSES.values())


def test_an_unknown_group_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["captre"])
    assert "there is no group 'captre'; there are: capture, ledger" in capsys.readouterr().err
