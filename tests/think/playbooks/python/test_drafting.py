"""A playbook in Python gives a plan like any other, and every way not to is a refusal with file and line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from grace.model.plan import Plan, Remedy, Reversibility
from grace.think.playbooks.format import Language
from grace.think.playbooks.loading import check_pins
from grace.think.playbooks.render import Occasion
from tests.think.playbooks.python.writing import LOWER_POOLS, drafting, flaws, loaded, plan, refusal, rendered
from tests.think.playbooks.test_loading import RememberedPins
from tests.think.worlds import DIAGNOSIS, INCIDENT, SERVICE, Eyes


def test_a_loop_in_python_becomes_a_plan_of_literals(tmp_path: Path) -> None:
    made = plan(tmp_path, LOWER_POOLS)

    assert [(one.id, one.uses, one.parameters["path"]) for one in made.steps] == [
        (f"lower_{shard}", "file.set_value", f"/srv/orders/conf/{shard}.yaml") for shard in ("eu", "us", "ap")
    ]
    assert made.reversibility is Reversibility.EXACT
    assert made.inputs == {"database": "/srv/orders/orders.db"}
    assert [one.id for one in made.finds] == ["holder"]
    assert [(one.id, one.name) for one in made.contract.clauses] == [
        ("before-1", "sqlite.writable"),
        ("after-1", "sqlite.writable"),
        ("after-2", "service.error_rate"),
    ]
    assert (made.on_violated, made.on_inconclusive) == (Remedy.ROLL_BACK, Remedy.HOLD)


def test_the_same_values_give_the_same_digest(tmp_path: Path) -> None:
    assert plan(tmp_path, LOWER_POOLS).digest == plan(tmp_path, LOWER_POOLS).digest


def test_the_heading_comes_from_the_decorator_the_name_and_the_docstring(tmp_path: Path) -> None:
    one = loaded(tmp_path, LOWER_POOLS)

    assert one.language is Language.PYTHON
    assert (one.label, one.playbook.summary) == ("lower-pools 1.2.0", "Lower the pool of every shard")
    assert one.playbook.when.labels == {"engine": "sqlite"}
    assert one.text == LOWER_POOLS


def test_nothing_to_do_is_a_refusal_that_says_why(tmp_path: Path) -> None:
    holder: JsonValue = {"pid": 4312, "started_at": 77, "name": "report", "held_s": 0.4}
    no = refusal(tmp_path, LOWER_POOLS, Eyes({"process.lock_holder": holder}))

    assert (no.rule, no.why) == ("nothing-to-do", "held for 0.4 s only")


def test_every_byte_of_the_source_is_in_the_digest_and_a_changed_one_needs_a_new_version(tmp_path: Path) -> None:
    pins, first = RememberedPins(), loaded(tmp_path, LOWER_POOLS)
    changed = loaded(tmp_path, LOWER_POOLS + "# a word more\n")
    raised = loaded(tmp_path, LOWER_POOLS.replace("1.2.0", "1.2.1") + "# a word more\n")

    assert check_pins([first], pins) == ()
    assert [flaw.rule for flaw in check_pins([changed], pins)] == ["changed-content"]
    assert check_pins([raised], pins) == ()
    assert plan(tmp_path, LOWER_POOLS).playbook_digest == first.digest


def test_a_file_that_changes_after_loading_changes_nothing(tmp_path: Path) -> None:
    one = loaded(tmp_path, LOWER_POOLS)
    (tmp_path / "p.py").write_text("raise SystemExit")
    made = rendered(one)

    assert isinstance(made, Plan)
    assert made.playbook_digest == one.digest


def test_an_output_of_an_earlier_step_waits_in_the_plan(tmp_path: Path) -> None:
    body = """\
first = step("first", "file.write", path="/srv/orders/conf/b", content="x")
second = step("second", "file.write", path="/srv/orders/conf/c", content=output("first", "digest"))
return Draft([first, second], Contract(after=[metric("error_rate").at_most(1)]), "hold", "hold")"""
    made = plan(tmp_path, drafting(body))

    assert made.steps[1].parameters["content"] == "${{ do.first.digest }}"


@pytest.mark.parametrize(
    ("body", "rule", "said"),
    [
        ("return find.holder.pid / 0", "draft-raised", "ZeroDivisionError"),
        ('return {}["x"]', "draft-raised", "KeyError: x"),
        ('name = "hold"\nreturn find[name]', "draft-raised", "there is no 'hold' here; there is holder"),
        ("find.holder.pid = 1", "draft-raised", "frozen"),
        ('incident.labels["database"] = "x"', "draft-raised", "TypeError"),
        ("incident.title = 'x'", "draft-raised", "FrozenInstanceError"),
        ("def deeper(): return deeper()\nreturn deeper()", "draft-raised", "RecursionError"),
        ("return [0] * 10**10", "draft-raised", "MemoryError"),
        ("while True: pass", "draft-hung", "more than 2 s"),
        ("return None", "draft-flaw", "the function gave nothing, and a Draft or NothingToDo is expected"),
        ("return {'do': []}", "draft-flaw", "the function gave a dict"),
        ("return Draft([step], Contract(), 'hold', 'hold')", "draft-flaw", "do.0 is a function, and a Step"),
        ("return Draft(step('a', 'file.write'), Contract(), 'hold', 'hold')", "draft-flaw", "do is a Step, and a list"),
        ("return Draft([], [], 'hold', 'hold')", "draft-flaw", "the contract is a list, and a Contract"),
        (
            "return Draft([], Contract(after=[probe('file.size')]), 'hold', 'hold')",
            "draft-flaw",
            "compare it, as in .is_",
        ),
        ("return Draft([], Contract(), 'hold', 'hold')", "draft-flaw", "do: "),
        ("return Draft([step('a', 'file' + '.wite')], Contract(), 'hold', 'hold')", "draft-flaw", "file.write"),
        ("return NothingToDo()", "draft-raised", "TypeError"),
        ("raise ValueError('no')", "draft-raised", "ValueError: no"),
    ],
)
def test_what_gives_no_draft_is_a_refusal_with_file_and_line(tmp_path: Path, body: str, rule: str, said: str) -> None:
    no = refusal(tmp_path, drafting(body))

    assert no.rule == rule, no
    assert said in no.why + no.next
    assert f"{tmp_path}/p.py:" in no.why


def test_a_fault_is_told_at_its_own_line(tmp_path: Path) -> None:
    text = drafting("size = 4\nif size:\n    raise ValueError('no')")
    line = 1 + text.splitlines().index("        raise ValueError('no')")

    assert f"p.py:{line}: heal: ValueError: no" in refusal(tmp_path, text).why


def test_a_hang_is_told_at_its_own_line(tmp_path: Path) -> None:
    text = drafting("size = 4\nwhile size:\n    size = 4")

    no = refusal(tmp_path, text)
    assert no.why.split("p.py:")[1][:1].isdigit()
    assert no.rule == "draft-hung"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a", "b"}', "content: a set is no value"),
        ("step", "content: a function is no value"),
        ('float("nan")', "content: a float is no value"),
        ("b'x'", "a bytes is no value"),
        ('"${{ do.other.digest }}"', "which no text of a draft may"),
        ("{1: 2}", "1 is no name of a field"),
        ("5", "content"),
        ('output("absent", "digest")', "absent"),
        ('output("write", "digest")', "write"),
    ],
)
def test_what_cannot_stand_in_a_plan_is_refused_at_the_line_of_its_step(
    tmp_path: Path, content: str, said: str
) -> None:
    text = drafting(content=content)
    line = next(n for n, one in enumerate(text.splitlines(), 1) if 'step("write"' in one)
    no = refusal(tmp_path, text)

    assert no.rule == "draft-flaw"
    assert said in no.why
    assert f"p.py:{line}:" in no.why


def test_the_draft_goes_through_the_lint_of_every_playbook(tmp_path: Path) -> None:
    empty = drafting("return Draft([step('w', 'file.write', path='/a', content='')], Contract(), 'hold', 'hold')")
    no_way_back = LOWER_POOLS.replace(
        "do=steps", 'do=[step("end", "process.terminate", process={"pid": 1, "started_at": 1})]'
    )

    assert "[empty-contract]" in refusal(tmp_path, empty).why
    assert "[no-way-back]" in refusal(tmp_path, no_way_back).why


def test_the_plan_goes_through_the_same_allowance(tmp_path: Path) -> None:
    assert refusal(tmp_path, LOWER_POOLS.replace("/srv/orders/conf", "/etc")).rule == "outside-allowance"


def test_a_label_that_somebody_sends_makes_no_reference(tmp_path: Path) -> None:
    incident = INCIDENT.model_copy(update={"labels": {**INCIDENT.labels, "note": "${{ do.write.digest }}"}})
    text = drafting(content="incident.labels.note")
    no = refusal(tmp_path, text, occasion=Occasion(incident, DIAGNOSIS, SERVICE))

    assert no.rule == "draft-flaw"
    assert "which no text of a draft may" in no.why


@pytest.mark.parametrize(
    ("content", "imports"),
    [
        ('"-".join({"a", "b", "c", "d", "e", "f"})', ""),
        ('f"{step}"', ""),
    ],
)
def test_what_depends_on_chance_is_refused(tmp_path: Path, content: str, imports: str) -> None:
    outcome = rendered(loaded(tmp_path, drafting(content=content, imports=imports)))
    if isinstance(outcome, Plan):
        pytest.fail(f"two calls agreed on {outcome.steps[0].parameters}")
    assert outcome.rule == "draft-differs"
    assert "do.0.with.content" in outcome.why
    assert outcome.next


def test_a_heading_that_depends_on_chance_is_refused(tmp_path: Path) -> None:
    text = drafting().replace('"/srv/orders/orders.db")])', '"/srv/" + max({"b", "a"}, key=lambda x: 0))])')
    (flaw,) = flaws(tmp_path, text)

    assert flaw.rule == "draft-differs"
    assert flaw.line == 4


def test_a_function_takes_what_it_names_in_any_order(tmp_path: Path) -> None:
    text = LOWER_POOLS.replace("(incident: Incident, find: Found, inputs: Found)", "(inputs, *, find, service)")
    text = text.replace("do=steps", 'do=steps[:1] if service.pid_file == "/run/orders.pid" else []')

    assert len(plan(tmp_path, text).steps) == 1


def test_a_service_without_a_pid_file_has_none(tmp_path: Path) -> None:
    text = drafting(content="str(service.pid_file)")
    service = SERVICE.model_copy(update={"pid_file": None})
    made = rendered(loaded(tmp_path, text), occasion=replace(Occasion(INCIDENT, DIAGNOSIS, SERVICE), service=service))

    assert isinstance(made, Plan)
    assert made.steps[0].parameters["content"] == "None"
