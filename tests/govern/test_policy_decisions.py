from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.govern.policy import Question
from grace.govern.policy.cedar import CedarPolicy, mode_of
from grace.govern.policy.explain import explain
from grace.govern.policy.request import thousandths
from grace.govern.policy.rules import make_rules, read_rules
from grace.model.decision import Decision, Ruling
from grace.model.plan import PlannedStep, Reversibility, Undo
from grace.model.service import Mode
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, diagnosis, question, service, step, terminate

SHIPPED = shipped_folder("policies")
SCHEMA = (SHIPPED / "grace.cedarschema").read_text(encoding="utf-8")
EVERYTHING = """
@id("alone") permit(principal, action == Action::"act_alone", resource);
@id("approval") permit(principal, action == Action::"act_with_approval", resource);
@id("quorum") @quorum("3") permit(principal, action == Action::"act_with_quorum", resource);
"""
NAMED = """
@id("end-stuck-writer") @reason("Ending the writer that holds orders.db is within its bounds")
permit(principal, action == Action::"act_alone", resource == Service::"orders")
when {
    context.step.deed == Deed::"process.terminate" &&
    context.step.numbers.hasTag("patience") && context.step.numbers.getTag("patience") <= 10000 &&
    context.step.texts.hasTag("holds") && context.step.texts.getTag("holds") == "/srv/orders/orders.db"
};
"""
SHIPPED_POLICY = CedarPolicy(read_rules([SHIPPED], SHIPPED / "grace.cedarschema", DEEDS))


def policy(text: str, *drill_folders: str) -> CedarPolicy:
    return CedarPolicy(make_rules({"site.cedar": text}, SCHEMA, DEEDS), drill_folders)


# ---- tiers ----


def test_an_empty_policy_denies_everything() -> None:
    decision = policy("").decide(question(step()))
    assert (decision.ruling, decision.rule, decision.allows) == (Ruling.DENIED, "grace:no-rule", False)
    assert decision.reason == "No rule permits file.write (exact) for orders in production"


def test_the_tier_is_the_first_that_is_permitted() -> None:
    approval_first = EVERYTHING.replace('@id("alone") permit', '@id("alone") forbid')
    assert policy(EVERYTHING).decide(question(step())).ruling is Ruling.ACT_ALONE
    assert policy(approval_first).decide(question(step())).ruling is Ruling.ACT_WITH_APPROVAL


def test_a_forbid_wins_over_every_permit() -> None:
    denied = policy(EVERYTHING + '@id("never") @reason("Not here") forbid(principal, action, resource);')
    decision = denied.decide(question(step()))
    assert (decision.ruling, decision.rule, decision.reason) == (Ruling.DENIED, "never", "Not here")


def test_a_plan_has_the_tier_of_its_strictest_step() -> None:
    decision = SHIPPED_POLICY.decide(question(step("sqlite.checkpoint"), step("file.write"), step("file.remove")))
    assert (decision.ruling, decision.rule, decision.quorum) == (Ruling.ACT_WITH_QUORUM, "data-with-quorum", 2)


def test_one_step_that_nothing_permits_denies_the_plan() -> None:
    decision = SHIPPED_POLICY.decide(question(step("sqlite.checkpoint"), step("http.request")))
    assert (decision.ruling, decision.rule) == (Ruling.DENIED, "grace:no-rule")


def test_the_quorum_is_the_largest_that_a_matching_rule_asks_for() -> None:
    more = EVERYTHING.replace("act_alone", "act_with_quorum").replace("act_with_approval", "act_with_quorum")
    decision = policy(more).decide(question(step()))
    assert (decision.ruling, decision.quorum) == (Ruling.ACT_WITH_QUORUM, 3)


def test_a_decision_names_rule_policy_digest_and_plan_digest() -> None:
    asked = question(step())
    decision = SHIPPED_POLICY.decide(asked)
    assert decision == Decision(
        plan_digest=asked.plan.digest,
        ruling=Ruling.ACT_WITH_APPROVAL,
        rule="configuration-with-approval",
        reason="A change of a file is given back exactly; one person agrees first",
        policy_digest=SHIPPED_POLICY.digest,
        engine="cedar",
        mode=Mode.AUTO,
        quorum=1,
        at=asked.at,
    )


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (step("sqlite.checkpoint"), Ruling.ACT_ALONE),
        (step("file.set_value"), Ruling.ACT_WITH_APPROVAL),
        (step("process.signal", Reversibility.COMPENSABLE), Ruling.ACT_WITH_APPROVAL),
        (step("command.run", Reversibility.COMPENSABLE), Ruling.ACT_WITH_APPROVAL),
        (step("sqlite.execute"), Ruling.ACT_WITH_QUORUM),
        (step("file.remove"), Ruling.ACT_WITH_QUORUM),
        (step("command.run", Reversibility.IRREVERSIBLE), Ruling.ACT_WITH_QUORUM),
        (terminate(), Ruling.ACT_WITH_QUORUM),
    ],
)
def test_the_shipped_policy_has_the_tiers_it_promises(of: PlannedStep, expected: Ruling) -> None:
    assert SHIPPED_POLICY.decide(question(of)).ruling is expected


def test_an_undo_is_asked_like_a_step() -> None:
    reload = step("process.signal", Reversibility.COMPENSABLE, {"signal": "HUP"})
    back = reload.model_copy(update={"undo": Undo.model_validate({"uses": "command.run", "with": {"argv": ["rm"]}})})
    no_commands = '@id("no") forbid(principal, action, resource) when { context.step.deed in Kind::"command" };'
    assert policy(EVERYTHING + no_commands).decide(question(reload)).ruling is Ruling.ACT_ALONE
    assert policy(EVERYTHING + no_commands).decide(question(back)).rule == "no"


# ---- irreversible ----


def test_an_irreversible_step_is_tier_3_even_where_everything_is_permitted_alone() -> None:
    assert policy(EVERYTHING).decide(question(terminate())).ruling is Ruling.ACT_WITH_QUORUM


def test_a_rule_that_names_action_service_and_bounds_lets_it_act_alone_within_them() -> None:
    named = policy(EVERYTHING + NAMED)
    decision = named.decide(question(terminate(patience=10)))
    assert (decision.ruling, decision.rule) == (Ruling.ACT_ALONE, "end-stuck-writer")
    assert named.decide(question(terminate(patience=10.0001))).ruling is Ruling.ACT_WITH_QUORUM
    assert named.decide(question(terminate(holds="/srv/other.db"))).ruling is Ruling.ACT_WITH_QUORUM


def test_one_named_irreversible_step_does_not_carry_another() -> None:
    other = step("command.run", Reversibility.IRREVERSIBLE, {"argv": ["reboot"]}, "command:host:reboot")
    assert policy(EVERYTHING + NAMED).decide(question(terminate(), other)).ruling is Ruling.ACT_WITH_QUORUM


def test_a_forbid_still_counts_for_an_irreversible_step() -> None:
    calm = '@id("calm") forbid(principal, action == Action::"act_alone", resource) when { context.plan.steps == 1 };'
    assert policy(NAMED + calm).decide(question(terminate())).ruling is Ruling.DENIED


def test_a_rule_for_one_service_does_not_help_another() -> None:
    asked = question(terminate(), of=service(name="billing"))
    assert policy(NAMED).decide(moved(asked, service="billing")).ruling is Ruling.DENIED


def moved(asked: Question, **changes: JsonValue) -> Question:
    """Return the question about a plan with other fields."""
    return replace(asked, plan=asked.plan.model_copy(update=changes))


# ---- modes ----


def test_suggest_asks_one_person_where_the_policy_would_let_it_act_alone() -> None:
    decision = SHIPPED_POLICY.decide(question(step("sqlite.checkpoint"), of=service(Mode.SUGGEST)))
    assert (decision.ruling, decision.quorum, decision.asks) == (Ruling.ACT_WITH_APPROVAL, 1, True)
    assert "suggest" in decision.reason


def test_suggest_never_softens_a_higher_tier() -> None:
    assert SHIPPED_POLICY.decide(question(terminate(), of=service(Mode.SUGGEST))).quorum == 2
    assert policy("").decide(question(step(), of=service(Mode.SUGGEST))).ruling is Ruling.DENIED


def test_observe_allows_nothing_whatever_the_ruling() -> None:
    decision = SHIPPED_POLICY.decide(question(step("sqlite.checkpoint"), of=service(Mode.OBSERVE)))
    assert (decision.ruling, decision.observes, decision.allows, decision.asks) == (
        Ruling.ACT_ALONE,
        True,
        False,
        False,
    )


def test_a_drill_is_auto_and_stays_in_its_folders() -> None:
    drill = service(Mode.OBSERVE, environment="drill")
    assert mode_of(drill) is Mode.AUTO
    asked = question(step("sqlite.checkpoint"), of=drill)
    inside = moved(asked, environment="drill")
    assert policy(EVERYTHING, "/srv/orders").decide(inside).ruling is Ruling.ACT_ALONE
    for folders in ((), ("/srv/order",), ("/srv/orders/settings.yaml",)):
        assert policy(EVERYTHING, *folders).decide(inside).rule == "grace:drill"


# ---- what no policy file lifts ----


@pytest.mark.parametrize("cause", ["unknown", "database_locked"])
def test_an_unknown_cause_is_denied_whatever_the_policy_says(cause: str) -> None:
    asked = question(step(), because=diagnosis("unknown"))
    assert policy(EVERYTHING).decide(moved(asked, cause=cause)).rule == "grace:unknown-cause"


def test_a_plan_without_steps_is_denied() -> None:
    assert policy(EVERYTHING).decide(question()).rule == "grace:empty-plan"


@pytest.mark.parametrize("change", [{"service": "billing"}, {"environment": "staging"}, {"incident_id": "inc_2"}])
def test_a_plan_that_does_not_fit_its_service_or_diagnosis_is_denied(change: dict[str, JsonValue]) -> None:
    assert policy(EVERYTHING).decide(moved(question(step()), **change)).rule == "grace:mismatch"


def test_a_person_may_ask_without_a_diagnosis_and_the_policy_sees_that() -> None:
    sure = '@id("sure") permit(principal, action == Action::"act_alone", resource) when { context.plan.diagnosed };'
    asked = question(step())
    alone = replace(asked, diagnosis=None, requested_by="ada")
    assert policy(sure).decide(asked).ruling is Ruling.ACT_ALONE
    assert policy(sure).decide(alone).ruling is Ruling.DENIED
    assert SHIPPED_POLICY.decide(alone).ruling is Ruling.ACT_WITH_APPROVAL


# ---- errors and doubt ----


def test_an_error_at_run_time_denies_even_when_another_rule_permits() -> None:
    overflow = """
    @id("overflow") forbid(principal, action, resource)
    when { context.step.numbers.hasTag("n") && context.step.numbers.getTag("n") * 9223372036854775807 < 0 };
    """
    asked = question(step(parameters={"n": 2}))
    decision = policy(EVERYTHING + overflow).decide(asked)
    assert (decision.ruling, decision.rule) == (Ruling.DENIED, "grace:error")
    assert "overflow" in decision.errors[0]
    assert policy(EVERYTHING + overflow).decide(question(step(parameters={"m": 2}))).ruling is Ruling.ACT_ALONE


def test_two_parameters_with_one_dotted_name_are_denied() -> None:
    asked = question(step(parameters={"a": {"b": 1}, "a.b": 10**9}))
    assert policy(EVERYTHING).decide(asked).rule == "grace:unreadable"


def test_parameters_too_large_or_too_deep_to_read_are_denied() -> None:
    deep: JsonValue = 1
    for _ in range(40):
        deep = [deep]
    unreadable: tuple[dict[str, JsonValue], ...] = ({"content": "x" * 1_048_577}, {"deep": deep})
    for parameters in unreadable:
        assert policy(EVERYTHING).decide(question(step(parameters=parameters))).rule == "grace:unreadable"


def test_a_parameter_that_a_later_step_decides_is_shown_as_deferred() -> None:
    deferred = step("sqlite.checkpoint", parameters={"path": "${{ do.copy.path }}"})
    assert SHIPPED_POLICY.decide(question(deferred)).ruling is Ruling.ACT_WITH_QUORUM


def test_a_label_cannot_pass_for_an_entity() -> None:
    odd = service(labels={"__entity": "x", "critical": "true"})
    assert SHIPPED_POLICY.decide(question(step("sqlite.checkpoint"), of=odd)).ruling is not Ruling.ACT_ALONE


@given(st.one_of(st.integers(), st.floats(allow_nan=False)))
def test_thousandths_never_slip_under_a_bound(value: float) -> None:
    found = thousandths(value)
    assert -(2**63) < found < 2**63
    assert found >= value * 1000 or found == 2**63 - 1 or value < 0
    assert found <= value * 1000 or found == -(2**63) + 1 or value > 0


_words = st.text(max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=8,
)


def _made(uses: str, kind: Reversibility, parameters: dict[str, JsonValue], target: str) -> PlannedStep:
    return step(uses, kind, target=f"file:h:{target}").model_copy(update={"parameters": parameters})


_steps = st.builds(
    _made,
    st.sampled_from(sorted(DEEDS)) | _words,
    st.sampled_from(Reversibility),
    st.dictionaries(_words, _json, max_size=4),
    _words,
)


@settings(max_examples=150)
@given(st.lists(_steps, max_size=3), _words, st.sampled_from(Mode), st.booleans())
def test_deciding_never_raises_and_never_permits_an_irreversible_step_unnamed(
    steps: list[PlannedStep], requested_by: str, mode: Mode, ships: bool
) -> None:
    asked = question(of=service(mode))
    made = asked.plan.model_copy(update={"steps": tuple(steps)})
    engine = SHIPPED_POLICY if ships else policy(EVERYTHING)
    decision = engine.decide(replace(asked, plan=made, requested_by=requested_by))
    if any(made_step.reversibility is Reversibility.IRREVERSIBLE for made_step in steps):
        assert decision.ruling in {Ruling.ACT_WITH_QUORUM, Ruling.DENIED}
    if decision.ruling is not Ruling.DENIED:
        assert decision.plan_digest == made.digest
        assert not decision.errors


@pytest.mark.parametrize("asked", [question(step()), question(terminate()), question(step("sqlite.checkpoint"))])
def test_setting_rules_aside_never_changes_a_ruling(asked: Question) -> None:
    """Written so that nothing can be set aside, the same rules decide the same."""
    aside = "context.plan.steps >= 0 && context.step.deed == Deed::"
    text = (SHIPPED / "grace.cedar").read_text(encoding="utf-8") + NAMED
    decided = [policy(each).decide(asked) for each in (text, text.replace("context.step.deed == Deed::", aside))]
    assert decided[0].model_copy(update={"policy_digest": decided[1].policy_digest}) == decided[1]


def test_the_same_question_has_the_same_answer_from_many_threads() -> None:
    shared = policy(EVERYTHING + NAMED)
    asked = [question(step()), question(terminate()), question(terminate(patience=99))]
    expected = [policy(EVERYTHING + NAMED).decide(each) for each in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.decide, asked * 40)) == expected * 40


# ---- explain ----


def test_an_explanation_names_every_matching_rule_with_its_place() -> None:
    told = explain(policy(EVERYTHING + NAMED), question(step(), terminate(patience=99)))
    assert told.decision.ruling is Ruling.ACT_WITH_QUORUM
    assert [explained.ruling for explained in told.steps] == ["act_alone", "act_with_quorum"]
    alone, _, quorum = told.steps[1].tiers
    assert (alone.permitted, alone.because) == (False, ("no rule permits it",))
    assert quorum.because == ("permitted by quorum (site.cedar:4): ",)


def test_an_explanation_tells_what_forbids() -> None:
    told = explain(SHIPPED_POLICY, question(step("sqlite.checkpoint"), because=diagnosis(confidence=0.5)))
    alone = told.steps[0].tiers[0]
    assert not alone.permitted
    assert alone.because[0].startswith("forbidden by doubt-asks (grace.cedar:")


def test_confidence_is_read_exactly_at_its_limit() -> None:
    for confidence, expected in ((0.8, Ruling.ACT_ALONE), (0.7999, Ruling.ACT_WITH_QUORUM)):
        asked = question(step("sqlite.checkpoint"), because=diagnosis(confidence=confidence))
        assert SHIPPED_POLICY.decide(asked).ruling is expected


def test_a_plan_that_has_no_canonical_json_is_denied() -> None:
    decision = policy(EVERYTHING).decide(question(step(parameters={"n": 2**60})))
    assert (decision.ruling, decision.rule, decision.plan_digest) == (Ruling.DENIED, "grace:no-digest", "")
