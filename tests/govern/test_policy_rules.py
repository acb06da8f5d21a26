from __future__ import annotations

from pathlib import Path

import pytest

from grace.govern.policy.rules import PolicyInvalidError, RuleSet, make_rules, read_rules
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS

SHIPPED = shipped_folder("policies")
SCHEMA_FILE = SHIPPED / "grace.cedarschema"
SCHEMA = SCHEMA_FILE.read_text(encoding="utf-8")
NAMED = (
    'context.step.deed == Deed::"process.terminate" && context.step.numbers.hasTag("patience")'
    ' && context.step.numbers.getTag("patience") <= 10000'
)


def rules(text: str) -> RuleSet:
    return make_rules({"site.cedar": text}, SCHEMA, DEEDS)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PolicyInvalidError) as caught:
        rules(text)
    return caught.value.problems


def permit(conditions: str, scope: str = 'resource == Service::"orders"', rule_id: str = "r") -> str:
    return f'@id("{rule_id}") permit(principal, action == Action::"act_alone", {scope}) when {{ {conditions} }};'


def test_the_shipped_policy_loads_and_every_rule_gives_a_reason() -> None:
    shipped = read_rules([SHIPPED], SCHEMA_FILE, DEEDS)
    assert len(shipped.rules) >= 8
    assert all(rule.reason for rule in shipped.rules)


def test_a_rule_knows_its_file_and_line() -> None:
    found = rules(f"// a comment; with a semicolon\n\n{permit('true')}\n" + permit("true", rule_id="s"))
    assert [rule.where for rule in found.rules] == ["site.cedar:3", "site.cedar:4"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("permit(principal, action", "site.cedar:1: not Cedar"),
        ('@id("a") permit(principal, action, resource);\n\nnonsense;', "site.cedar:3: not Cedar"),
        ("permit(principal, action, resource);", 'site.cedar:1: the rule has no name; write @id("what-it-allows")'),
        (permit("context.step.dead == 1"), "attribute `dead`"),
        (permit('context.step.numbers.getTag("patience") <= 3'), "unable to guarantee safety"),
        (permit('context.step.deed == Deed::"file.wirte"'), "no action is called 'file.wirte'"),
        (permit('context.step.deed in Kind::"flie"'), "no action begins with 'flie'"),
        (permit("true") + permit("true"), "the name 'r' is taken by the rule at site.cedar:1"),
        ('@id("t") permit(principal, action, resource == ?resource);', "templates"),
        ('@id("q") @quorum("2") permit(principal, action == Action::"act_alone", resource);', "@quorum stands only"),
        ('@id("q") @quorum("1") permit(principal, action == Action::"act_with_quorum", resource);', "2 is the fewest"),
        ('@id("q") @quorum("²") permit(principal, action == Action::"act_with_quorum", resource);', "not a number"),
    ],
)
def test_a_broken_rule_is_refused_with_its_place(text: str, expected: str) -> None:
    assert expected in "\n".join(problems(text))


def test_every_problem_is_told_at_once() -> None:
    assert len(problems("nonsense;\nmore nonsense;")) == 2


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "site.cedar").write_text(permit("true", rule_id=folder), encoding="utf-8")
    with pytest.raises(PolicyInvalidError, match=r"two/site\.cedar: another file is called site\.cedar"):
        read_rules([tmp_path / "one", tmp_path / "two"], SCHEMA_FILE, DEEDS)


def test_a_missing_folder_and_an_unreadable_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalidError, match="there is no such folder"):
        read_rules([tmp_path / "gone"], SCHEMA_FILE, DEEDS)
    (tmp_path / "a.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyInvalidError, match="cannot be read"):
        read_rules([tmp_path, SHIPPED], SCHEMA_FILE, DEEDS)


def test_a_schema_that_is_not_one_is_refused() -> None:
    with pytest.raises(PolicyInvalidError, match="the schema is not a Cedar schema"):
        make_rules({}, "entity", DEEDS)


def test_the_digest_changes_with_any_letter_of_policy_or_schema() -> None:
    base = rules(permit("true"))
    assert rules(permit("true") + " ").digest != base.digest
    assert make_rules({"site.cedar": permit("true")}, SCHEMA + "\n", DEEDS).digest != base.digest
    assert make_rules({"other.cedar": permit("true")}, SCHEMA, DEEDS).digest != base.digest


@pytest.mark.parametrize(
    "conditions",
    [
        NAMED,
        f"context.plan.steps == 1 && ({NAMED})",
        'context.step.deed == Deed::"process.terminate" && context.step.targets == ["process:h:1"]',
        (
            'context.step.deed == Deed::"command.run" && context.step.texts.hasTag("argv") && '
            'context.step.texts.getTag("argv") == "[]"'
        ),
        (
            'context.step.deed == Deed::"command.run" && context.step.texts.hasTag("cwd") && '
            'context.step.texts.getTag("cwd") like "/srv/*"'
        ),
        (
            'context.step.deed == Deed::"command.run" && context.step.texts.hasTag("cwd") && '
            '["/srv", "/opt"].contains(context.step.texts.getTag("cwd"))'
        ),
    ],
)
def test_a_permit_that_names_action_service_and_bounds_may_speak_for_an_irreversible_step(conditions: str) -> None:
    assert rules(permit(conditions)).rules[0].names_irreversible


@pytest.mark.parametrize(
    ("conditions", "scope"),
    [
        (NAMED, "resource"),
        ('context.step.deed == Deed::"process.terminate"', 'resource == Service::"orders"'),
        ('context.step.deed in Kind::"process"', 'resource == Service::"orders"'),
        (NAMED.replace("context.step.deed ==", "context.step.deed !="), 'resource == Service::"orders"'),
        (f"context.plan.steps == 1 || ({NAMED})", 'resource == Service::"orders"'),
        (f"!({NAMED})", 'resource == Service::"orders"'),
        (
            (
                'context.step.deed == Deed::"process.terminate" && context.step.texts.hasTag("a") && '
                'context.step.texts.getTag("a") like "*"'
            ),
            'resource == Service::"orders"',
        ),
        (
            (
                'context.step.deed == Deed::"process.terminate" && context.step.texts.hasTag("a") && '
                'context.step.texts.getTag("a") == context.step.texts.getTag("a")'
            ),
            'resource == Service::"orders"',
        ),
        (
            'context.step.deed == Deed::"process.terminate" && context.step.targets == context.step.targets',
            'resource == Service::"orders"',
        ),
        (
            (
                'context.step.deed == Deed::"process.terminate" && context.step.numbers.hasTag("a") && '
                'context.step.numbers.getTag("a") >= 1'
            ),
            'resource == Service::"orders"',
        ),
    ],
)
def test_a_permit_that_leaves_action_service_or_bounds_open_may_not(conditions: str, scope: str) -> None:
    assert not rules(permit(conditions, scope)).rules[0].names_irreversible


@pytest.mark.parametrize(
    ("rule", "deed"),
    [
        (permit(NAMED), "process.terminate"),
        (permit(f"context.plan.steps == 1 && {NAMED}"), None),
        (permit(NAMED).replace(") when", ") unless"), None),
        (permit(NAMED).replace(") when", ") unless { false } when"), "process.terminate"),
        (permit('context.step.deed in Kind::"process"'), None),
    ],
)
def test_a_rule_is_set_aside_only_when_its_first_claim_names_another_deed(rule: str, deed: str | None) -> None:
    assert rules(rule).rules[0].deed == deed
