"""A clause `within: W, for: F`: what is met, what is violated, and what nobody can say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.act.verification import clauses
from grace.act.verification.clauses import judge_window
from grace.model.reading import Reading
from grace.model.verdict import Finding
from tests.act.verification.tape import END, at, clause, reading, strip

WINDOW = clause()
MARKS = st.text(alphabet="+-? ", min_size=0, max_size=14)


def finding(marks: str, **changes: float) -> Finding:
    return judge_window(clause(**changes), strip(marks), END, 5.5).finding


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("++++++++", Finding.MET),
        ("+++++++", Finding.MET),
        ("---+++++++", Finding.MET),
        ("----+++++++", Finding.MET),
        ("-----+++++++", Finding.VIOLATED),
        ("++++++-", Finding.VIOLATED),
        ("+++++++-", Finding.MET),
        ("++?+++++++", Finding.MET),
        ("++++?++++++", Finding.INCONCLUSIVE),
        ("+++++?+++++", Finding.INCONCLUSIVE),
        ("-----?++++++", Finding.VIOLATED),
        ("+?+?+++++++", Finding.MET),
        ("----?+++++++", Finding.INCONCLUSIVE),
        ("---?+++++++", Finding.MET),
        ("++?+++-++++", Finding.VIOLATED),
        ("???????????", Finding.INCONCLUSIVE),
        ("-??????????", Finding.INCONCLUSIVE),
        ("-----------", Finding.VIOLATED),
        ("++++++", Finding.INCONCLUSIVE),
        ("", Finding.INCONCLUSIVE),
        ("+++ ++++", Finding.INCONCLUSIVE),
        ("     ++++++++", Finding.INCONCLUSIVE),
    ],
)
def test_the_strip_is_judged_as_the_page_says(marks: str, expected: Finding) -> None:
    assert finding(marks) is expected


def test_every_example_in_the_docstring_is_true() -> None:
    lines = [line.split() for line in (clauses.__doc__ or "").splitlines() if line.startswith("    ")]
    examples = [(words[0], words[1]) for words in lines if set(words[0]) <= set("+-?")]
    assert len(examples) >= 8
    for marks, outcome in examples:
        assert finding(marks).value == outcome, marks


def test_a_run_that_begins_one_beat_after_the_granted_time_does_not_count() -> None:
    assert finding("----+++++++") is Finding.MET
    assert finding("----+++++++", within_s=1.5) is Finding.VIOLATED


def test_five_samples_are_needed_however_long_the_beat_is() -> None:
    readings = tuple(reading(seconds, value=True) for seconds in (0, 1.5, 3, 4.5))
    wide = clause(every_s=1.5)
    assert judge_window(wide, readings, END, 4.5).finding is Finding.INCONCLUSIVE
    assert judge_window(wide, (*readings, reading(6, value=True)), END, 6).finding is Finding.MET


def test_without_a_duration_five_samples_at_once_must_all_hold() -> None:
    instant = clause(within_s=0, for_s=0, every_s=0)
    for marks, expected in (
        ("+++++", Finding.MET),
        ("++++-", Finding.VIOLATED),
        ("++++?", Finding.INCONCLUSIVE),
        ("++++", Finding.INCONCLUSIVE),
        ("-?", Finding.VIOLATED),
    ):
        assert judge_window(instant, strip(marks, every_s=0.001), END, 0.01).finding is expected, marks


def test_the_sentence_carries_the_numbers() -> None:
    judged = judge_window(WINDOW, strip("---+++++++"), END, 4.5)
    assert judged.why == "Held in 7 samples over 3.00 s, beginning 1.50 s after the execution."
    assert judged.met_after_s == 1.5
    late = judge_window(WINDOW, strip("++?+++-++++"), END, 5)
    assert late.why == "Contrary 3.00 s after the execution, when the 2 s granted were over."


def test_a_first_sample_that_is_a_little_late_still_begins_at_the_end() -> None:
    readings = strip("+++++++", from_s=0.004)
    assert judge_window(clause(within_s=0), readings, END, 4).finding is Finding.MET


@given(MARKS, st.randoms(use_true_random=False))
def test_the_order_in_which_readings_arrive_does_not_matter(marks: str, chance: random.Random) -> None:
    readings = list(strip(marks))
    chance.shuffle(readings)
    assert judge_window(WINDOW, readings, END, 7).finding is finding(marks)


@given(MARKS.filter(bool), st.data())
def test_losing_a_sample_never_makes_a_clause_met(marks: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(marks) - 1))
    for lost in (" ", "?"):
        less = marks[:place] + lost + marks[place + 1 :]
        if finding(marks) is not Finding.MET:
            assert finding(less) is not Finding.MET, (marks, less)


@given(st.text(alphabet="? ", max_size=14))
def test_silence_alone_is_inconclusive(marks: str) -> None:
    assert finding(marks) is Finding.INCONCLUSIVE


@given(MARKS)
def test_a_clause_without_a_contrary_sample_is_never_violated(marks: str) -> None:
    assert finding(marks.replace("-", "?")) is not Finding.VIOLATED


@given(MARKS, st.floats(0, 4), st.floats(0, 4), st.floats(0.1, 2))
def test_a_met_clause_has_five_samples_that_hold_and_cover_its_time(
    marks: str, within_s: float, for_s: float, every_s: float
) -> None:
    judged = judge_window(
        clause(within_s=within_s, for_s=for_s, every_s=every_s), strip(marks, every_s=every_s), END, 99
    )
    if judged.finding is Finding.MET:
        assert judged.run is not None
        assert judged.run.count >= 5
        assert judged.run.length_s >= for_s - 0.001
        assert marks.count("+") >= 5


@given(MARKS)
def test_what_is_decided_early_stays_decided(marks: str) -> None:
    """The sampler stops at the first finding that is not inconclusive: no later sample may turn it."""
    for length in range(len(marks) + 1):
        early = finding(marks[:length])
        if early is Finding.VIOLATED:
            assert finding(marks) is Finding.VIOLATED, marks[:length]
        if early is Finding.MET:
            assert finding(marks) is Finding.MET, marks[:length]


@given(st.lists(st.tuples(st.floats(-5, 30), st.sampled_from([True, False, None, 1, "yes"])), max_size=20))
def test_no_readings_whatsoever_break_the_judge(pairs: list[tuple[float, bool | int | str | None]]) -> None:
    readings: list[Reading] = [reading(seconds, value) for seconds, value in pairs]
    judged = judge_window(WINDOW, readings, END, 30)
    assert judged.why.endswith(".")
    assert all(at(0) <= judged_by.at for judged_by in [judged.decided_by] if judged_by is not None)
