"""The verdict: violated before inconclusive before met; advisory clauses only show."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.act.verification.comparison import Held, hold_against, same_json
from grace.act.verification.judge import ContractEmpty, judge, judge_clause
from grace.model.contract import Clause, Comparator, Contract, Phase
from grace.model.reading import Known, Reading
from grace.model.verdict import Finding
from tests.act.verification.tape import END, START, at, clause, contract, evidence, reading, silence, strip

OUTCOME = clause()
GOOD = {"after-1": strip("+++++++")}


def throughout(**changes: Any) -> Clause:
    fields: dict[str, Any] = {"id": "all-1", "phase": Phase.THROUGHOUT, "within_s": 0, "for_s": 0, "every_s": 1.0}
    return clause(**(fields | changes))


def finding(asked: Contract, **readings: tuple[Reading, ...]) -> Finding:
    return judge(asked, evidence({name.replace("_", "-"): found for name, found in readings.items()}, 4.0)).finding


@pytest.mark.parametrize(
    ("comparator", "expected", "value", "held"),
    [
        (Comparator.IS, True, True, Held.HOLDS),
        (Comparator.IS, True, False, Held.CONTRARY),
        (Comparator.IS, True, 1, Held.MISSING),
        (Comparator.IS, 1, True, Held.MISSING),
        (Comparator.IS, 1, 1.0, Held.HOLDS),
        (Comparator.IS, "ok", "Ok", Held.CONTRARY),
        (Comparator.IS, "ok", 0, Held.MISSING),
        (Comparator.IS, [1, True], [1, 1], Held.CONTRARY),
        (Comparator.IS, {"a": 1}, {"a": 1.0}, Held.HOLDS),
        (Comparator.IS, None, None, Held.HOLDS),
        (Comparator.IS, None, 0, Held.CONTRARY),
        (Comparator.IS_NOT, "down", "up", Held.HOLDS),
        (Comparator.IS_NOT, "down", "down", Held.CONTRARY),
        (Comparator.IS_NOT, "down", None, Held.MISSING),
        (Comparator.IS_NOT, 1, math.nan, Held.MISSING),
        (Comparator.AT_MOST, 0.01, 0.01, Held.HOLDS),
        (Comparator.AT_MOST, 0.01, 0.02, Held.CONTRARY),
        (Comparator.AT_MOST, 0.01, "0", Held.MISSING),
        (Comparator.AT_MOST, 1, False, Held.MISSING),
        (Comparator.AT_MOST, 1, math.nan, Held.MISSING),
        (Comparator.AT_LEAST, 1, math.inf, Held.MISSING),
        (Comparator.AT_LEAST, True, 5, Held.MISSING),
        (Comparator.AT_LEAST, 3, 3, Held.HOLDS),
        (Comparator.AT_LEAST, 3, 2.9, Held.CONTRARY),
    ],
)
def test_a_value_is_compared_exactly_and_a_wrong_type_is_missing(
    comparator: Comparator, expected: JsonValue, value: JsonValue, held: Held
) -> None:
    asked = clause(comparator=comparator, expected=expected)
    assert hold_against(asked, Reading.model_construct(at=END, found=Known.model_construct(value=value))) is held


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, JSON)
def test_sameness_of_json_is_symmetric_and_every_value_is_itself(left: JsonValue, right: JsonValue) -> None:
    assert same_json(left, left)
    assert same_json(left, right) == same_json(right, left)


def test_a_contract_that_asks_for_no_outcome_is_not_judged() -> None:
    for empty in (contract(), contract(throughout()), contract(clause(required=False))):
        with pytest.raises(ContractEmpty, match="no required `after` clause"):
            judge(empty, evidence({}))


def test_a_violated_clause_outweighs_one_that_nobody_could_decide() -> None:
    other = clause(id="after-2")
    asked = contract(OUTCOME, other)
    assert finding(asked, after_1=strip("+++++++"), after_2=strip("+++++++")) is Finding.MET
    assert finding(asked, after_1=strip("+++++++"), after_2=strip("???????")) is Finding.INCONCLUSIVE
    assert finding(asked, after_1=strip("-------"), after_2=strip("???????")) is Finding.VIOLATED


def test_an_advisory_clause_is_shown_and_decides_nothing() -> None:
    verdict = judge(
        contract(OUTCOME, clause(id="after-2", required=False)), evidence({**GOOD, "after-2": strip("-------")})
    )
    assert verdict.is_met
    assert [result.finding for result in verdict.clauses] == [Finding.MET, Finding.VIOLATED]


def test_a_precondition_that_failed_is_a_violation_and_one_unread_is_inconclusive() -> None:
    asked = contract(clause(id="before-1", phase=Phase.BEFORE, expected=False), OUTCOME)
    assert finding(asked, before_1=(reading(-11, value=False),), after_1=strip("+++++++")) is Finding.MET
    assert finding(asked, before_1=(reading(-11, value=True),), after_1=strip("+++++++")) is Finding.VIOLATED
    assert finding(asked, before_1=(silence(-11),), after_1=strip("+++++++")) is Finding.INCONCLUSIVE
    assert finding(asked, after_1=strip("+++++++")) is Finding.INCONCLUSIVE


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("+" * 16, Finding.MET),
        ("+++++++-++++++++", Finding.VIOLATED),
        ("+++++++?++++++++", Finding.INCONCLUSIVE),
        ("+++++++ ++++++++", Finding.INCONCLUSIVE),
        ("  ++++++++++++++", Finding.INCONCLUSIVE),
        ("++++++++++++", Finding.INCONCLUSIVE),
        ("+++++++?++++++-+", Finding.VIOLATED),
        ("", Finding.INCONCLUSIVE),
    ],
)
def test_throughout_means_every_reading_from_before_the_first_write_to_the_end(marks: str, expected: Finding) -> None:
    readings = strip(marks, every_s=1, from_s=-11)
    assert judge_clause(throughout(), evidence({"all-1": readings}, 4.0)).finding is expected


def test_one_reading_before_a_short_window_is_no_watch_throughout() -> None:
    short = evidence({"all-1": (reading(-0.2, value=True),)}, 0.1, started_at=at(-0.1))
    assert judge_clause(throughout(), short).finding is Finding.INCONCLUSIVE


@given(st.text(alphabet="+-? ", max_size=20), st.data())
def test_losing_a_reading_never_makes_a_throughout_clause_met(marks: str, data: st.DataObject) -> None:
    def found(written: str) -> Finding:
        return judge_clause(
            throughout(), evidence({"all-1": strip(written, every_s=1, from_s=-11)}, len(marks) - 11.5)
        ).finding

    place = data.draw(st.integers(0, max(0, len(marks) - 1)))
    for lost in (" ", "?"):
        less = marks[:place] + lost + marks[place + 1 :]
        if marks and found(marks) is not Finding.MET:
            assert found(less) is not Finding.MET


def test_a_result_shows_expected_beside_actual() -> None:
    asked = clause(comparator=Comparator.AT_MOST, expected=0.01)
    readings = tuple(reading(place / 2, value) for place, value in enumerate([0.5, 0.2, 0, 0, 0, 0, 0.005, 0, 0]))
    before = reading(-12, 0.9)
    result = judge_clause(asked, evidence({"after-1": readings}, before={"after-1": before}))
    assert result.finding is Finding.MET
    assert result.before == before
    assert result.actual == readings[-1]
    assert (result.worst, result.samples, result.missing, result.met_after_s) == (0.5, 9, 0, 1.0)


def test_readings_are_thinned_to_two_hundred_with_both_ends() -> None:
    readings = strip("+" * 1001, every_s=0.5)
    shown = judge_clause(OUTCOME, evidence({"after-1": readings}, 501)).readings
    assert len(shown) == 200
    assert (shown[0], shown[-1]) == (readings[0], readings[-1])


def test_the_verdict_carries_window_and_restart() -> None:
    verdict = judge(contract(OUTCOME), evidence(GOOD, 3.0, restarted=True))
    assert (verdict.window_s, verdict.restarted, verdict.at) == (3.0, True, END + timedelta(seconds=3))
    assert verdict.why == "All 1 required clauses were measured and met."
    assert START < END


@pytest.mark.parametrize("marks", ["+++++++", "-------", "", "---+++-"])
@pytest.mark.parametrize("phase", [Phase.AFTER, Phase.THROUGHOUT])
def test_what_is_counted_from_a_restart_says_so(marks: str, phase: Phase) -> None:
    asked = OUTCOME if phase is Phase.AFTER else throughout(id="after-1")
    told = judge_clause(asked, evidence({"after-1": strip(marks)}, 3.0, restarted=True)).why
    assert "the execution" not in told
    same = judge_clause(asked, evidence({"after-1": strip(marks)}, 3.0)).why
    assert told == same.replace("the end of the execution", "the execution").replace(
        "the execution", "the restart of the window"
    )


def test_the_why_of_a_failure_names_the_first_clause_that_decided() -> None:
    verdict = judge(contract(OUTCOME), evidence({"after-1": strip("-------")}))
    assert verdict.why.startswith("1 of 1 required clauses is violated, first sqlite.writable: Contrary 2.00 s after")


@given(st.text(alphabet="+-? ", max_size=14), st.text(alphabet="+-? ", max_size=14))
def test_a_contract_is_met_only_when_every_required_clause_is(first: str, second: str) -> None:
    asked = contract(OUTCOME, clause(id="after-2"))
    verdict = judge(asked, evidence({"after-1": strip(first), "after-2": strip(second)}, 7))
    assert verdict.is_met == all(result.finding is Finding.MET for result in verdict.clauses)
