from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.documents import Flaw
from grace.kit.yaml import read_yaml
from grace.think.playbooks.format import Playbook
from grace.think.playbooks.lint import lint_document
from tests.think.worlds import CATALOGUE, RELOAD, STUCK_WRITER, document


def flaws_of(text: str, causes: set[str] | None = None) -> list[Flaw]:
    outcome = lint_document(document(text), CATALOGUE, causes)
    return [] if isinstance(outcome, Playbook) else list(outcome)


def changed(old: str, new: str, text: str = STUCK_WRITER) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_the_playbook_of_the_design_has_no_flaw() -> None:
    assert flaws_of(STUCK_WRITER, {"database_locked"}) == []


def test_a_configuration_change_with_a_reload_after_the_way_back_has_no_flaw() -> None:
    assert flaws_of(RELOAD) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "hint"),
    [
        ("version: 1.0.0", "version: 1.0", "wrong-type", "quotes"),
        ("version: 1.0.0", "version: 1.0.0-beta", "wrong-value", "pattern"),
        ("format: 1", "format: 2", "wrong-value", "1"),
        ("summary: End", "summry: End", "missing-key", "summary"),
        ("on_violated: hold", "on_violated: ignore", "wrong-value", "roll_back"),
        ("    uses: process.terminate", "    uses: process.terminat", "unknown-action", "process.terminate"),
        ("    uses: process.terminate", "    uses: sqlite.writable", "unknown-action", "probe"),
        ("    uses: process.lock_holder", "    uses: process.lock", "unknown-probe", "process.lock_holder"),
        ("    uses: process.lock_holder", "    uses: file.write", "unknown-probe", "action"),
        ("probe: sqlite.integrity", "probe: sqlite.integrit", "unknown-probe", "sqlite.integrity"),
        ("cause: database_locked", "cause: unknown", "unknown-cause", "never"),
        ("cause: database_locked", "cause: database_lock", "unknown-cause", "database_locked"),
        ("inputs.patience }}", "inputs.patienc }}", "reference", "patience"),
        ("find.holder.pid }}", "find.holdr.pid }}", "reference", "holder"),
        ("find.holder.pid }}", "find.holder.pdi }}", "reference", "pid"),
        ("find.holder.pid }}", "holder.pid }}", "reference", "cannot be referred"),
        ("find.holder.pid }}", "find.holder.name }}", "reference-type", "number is expected"),
        ("find.holder.pid }}", "find.holder.pid | lowr }}", "reference", "lower"),
        ("find.holder.pid }}", "find.holder.pid | lower }}", "reference", "works on text"),
        ("find.holder.pid }}", "find.holder.name | replace(1) }}", "reference", "argument"),
        ("find.holder.pid }}", "find.holder.pid", "expression", "}}"),
        ("find.holder.pid }}", "find.holder.pid }} x", "reference-type", "alone"),
        ("find.holder.pid }}", "find.holder }}", "reference-type", "object"),
        ("find.holder.pid }}", "find }}", "reference", "holder"),
        ("incident.labels.database", "incident.label.database", "reference", "labels"),
        ("incident.labels.database", "find.holder.name", "reference", "cannot be referred"),
        ("incident.labels.database", "incident.labels", "reference-type", "object"),
        ("default: 3s", "default: soon", "input-default", "500ms"),
        ("default: 3s", "default: 3s, at_most: 2s", "input-default", "more than 2s"),
        ("default: 3s", "default: 3s, at_most: x", "input-bound", "500ms"),
        ("{type: path,", "{type: path, at_least: 1,", "input-bound", "one_of"),
        ("{type: path,", "{type: pth,", "wrong-value", "path"),
        ("  patience: {", "  patience: {type: text, default: x}\n  spare: {", "reference-type", "number"),
        ("held_s > 5", "held_s > 'long'", "reference", "compares numbers"),
        ("held_s > 5", "held_s", "reference", "neither true nor false"),
        ("held_s > 5", "name == 5", "reference", "never equal"),
        ("held_s > 5", "held_s >", "expression", "missing"),
        ("if: find.holder.held_s > 5", 'if: "${{ find.holder.held_s > 5 }}"', "expression", "without"),
        ('{path: "${{ inputs.database }}"}, is: ok', "{pth: /a}, is: ok", "unknown-key", "path"),
        ('{path: "${{ inputs.database }}"}, is: ok', "{path: a}, is: ok", "wrong-value", "absolute"),
        ("is: ok", "is: true", "comparison", "never hold"),
        ("is: false", "is: off", "comparison", "never hold"),
        ("is: false", "at_most: 1", "comparison", "boolean"),
        ("is: false", 'is: "${{ find.holder.name }}"', "reference-type", "boolean"),
        ("is: false", "is: false, is_not: true", "wrong-value", "exactly one of is"),
        ("is: false", "within: 2s, is: false", "timing", "before"),
        ("is: ok", "for: 2s, is: ok", "timing", "throughout"),
        ("for: 3s", "for: 3s, every: 1s", "timing", "at least 5"),
        ("for: 3s", "for: 3s, every: 0", "wrong-value", "greater than 0"),
        ("for: 3s", "for: 48h", "wrong-value", "86400"),
        ("at_most: 0.01", "is: 0.01", "comparison", "at_most"),
        ("at_most: 0.01", "at_most: 0.01, with: {path: /a}", "parameters", "declares"),
        ("at_most: 0.01", "at_most: little", "comparison", "number"),
        ("metric: service.error_rate", "metric: error_rate", "wrong-value", "pattern"),
        ("worsens_at_most: 20%", "at_most: 3", "comparison", "worsens_at_most"),
        ("worsens_at_most: 20%", "worsens_at_most: much", "comparison", "20%"),
        ("worsens_at_most: 20%", "worsens_at_most: 20", "comparison", "write 20% or 0.2, or 2000% for that"),
        ("worsens_at_most: 20%", "worsens_at_most: 1.5", "comparison", "write 1.5% or 0.015, or 150% for that"),
        ("worsens_at_most: 20%", "worsens_at_most: 20%, for: 3s", "timing", "once"),
        ("on_violated: hold", "on_violated: roll_back", "no-way-back", "end_holder"),
        ("on_inconclusive: hold", "on_inconclusive: roll_back", "no-way-back", "end_holder"),
    ],
)
def test_a_flaw_is_told_with_its_rule_and_a_hint(old: str, new: str, rule: str, hint: str) -> None:
    text = changed(old, new)

    told = [one for one in flaws_of(text, {"database_locked"}) if one.rule == rule]

    assert told, flaws_of(text, {"database_locked"})
    assert any(hint in f"{one.message} {one.next}" for one in told), told


def test_a_flaw_is_told_in_its_line() -> None:
    text = changed("probe: sqlite.integrity", "probe: sqlite.integrit")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "integrit," in row)

    assert [(one.line, one.rule) for one in flaws_of(text)] == [(line, "unknown-probe")]


ANY_VALUE = changed(
    'probe: sqlite.writable, with: {path: "${{ inputs.database }}"}, is: false',
    "probe: file.value, with: {path: /a}, is: 3",
)
"""A probe whose answer may be anything."""


@pytest.mark.parametrize(
    "bound",
    [
        'at_most: "${{ inputs.database }}"',
        'at_least: "${{ find.holder.name }}"',
        'at_least: "${{ find.holder }}"',
        'at_most: "x ${{ inputs.patience }}"',
        'at_most: "5"',
        "at_most: null",
        'at_least: "${{ incident.labels.limit }}"',
    ],
)
def test_a_bound_is_a_number_whatever_the_probe_answers(bound: str) -> None:
    (told,) = flaws_of(changed("is: 3", bound, ANY_VALUE))

    assert told.rule in {"reference-type", "comparison"}
    assert "number is expected" in told.message


def test_a_bound_may_refer_to_a_number() -> None:
    assert flaws_of(changed("is: 3", 'at_most: "${{ inputs.patience }}"', ANY_VALUE)) == []
    assert flaws_of(changed("is: 3", 'at_most: "${{ incident.labels.limit | float }}"', ANY_VALUE)) == []


LIMITED = changed("inputs:\n", "inputs:\n  limit: {type: number, default: 5}\n")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("held_s > 5", "held_s > inputs.limit and", "expression"),
        ("held_s > 5", "held_s = inputs.limit", "expression"),
        ("held_s > 5", "held_s > input.limit", "reference"),
        ("held_s > 5", "held_s > inputs.limt", "reference"),
        ("held_s > 5", "held_s > inputs.limit.of", "reference"),
        ("if: find.holder.held_s > 5", 'if: "${{ find.holder.held_s > inputs.limit }}"', "expression"),
        ("at_most: 0.01", 'at_most: "${{ inputs.limit"', "expression"),
        ("at_most: 0.01", 'is: "${{ inputs.limit }}"', "comparison"),
        ("worsens_at_most: 20%", 'at_most: "${{ inputs.limit }}"', "comparison"),
        ("is: ok", 'at_most: "${{ inputs.limit }}"', "comparison"),
        ("sqlite.integrity", "sqlite.integrit", "unknown-probe"),
    ],
)
def test_what_only_follows_from_a_flaw_is_not_told_beside_it(old: str, new: str, rule: str) -> None:
    text = changed(old, new, LIMITED)
    if rule == "unknown-probe":
        text = changed("is: ok", 'is: "${{ inputs.limit | text }}"', text)

    assert [one.rule for one in flaws_of(text)] == [rule]


def test_an_if_that_is_no_text_does_not_make_the_list_of_steps_empty() -> None:
    (told,) = flaws_of(changed("if: find.holder.held_s > 5", "if: true"))

    assert told.message == "do.0.if must be text, and True is not"


def test_a_value_of_a_wrong_kind_is_one_flaw_whatever_might_stand_there() -> None:
    (told,) = flaws_of(changed("at_most: 0.01", "at_most: [1]"))

    assert told.message == "contract.after.1.at_most: should be a number or text"


def test_a_default_is_held_to_bounds_that_are_right_only() -> None:
    told = flaws_of(changed("default: 3s", "default: 3s, at_most: soon"))

    assert [one.rule for one in told] == ["input-bound"]


def test_all_flaws_are_told_at_once() -> None:
    text = changed("process.terminate", "process.end")
    text = changed("inputs.patience }}", "inputs.patienc }}", text)
    text = changed("is: ok", "is: 3", text)

    assert {one.rule for one in flaws_of(text)} >= {"unknown-action", "comparison"}


def test_a_contract_without_a_required_clause_afterwards_is_empty() -> None:
    start, end = STUCK_WRITER.index("contract:"), STUCK_WRITER.index("on_violated")
    for contract in (
        "contract: {}\n",
        "contract: {after: []}\n",
        "contract:\n  before:\n    - {probe: sqlite.writable, with: {path: /a}, is: true}\n",
        "contract:\n  after:\n    - {probe: sqlite.writable, with: {path: /a}, is: true, required: false}\n",
    ):
        told = flaws_of(STUCK_WRITER[:start] + contract + STUCK_WRITER[end:])

        assert "empty-contract" in {one.rule for one in told}, contract


def test_an_input_that_nobody_uses_is_told() -> None:
    assert [one.rule for one in flaws_of(changed("inputs:\n", "inputs:\n  spare: {type: text}\n"))] == ["unused-input"]


def test_an_id_stands_once() -> None:
    text = changed("do:\n", "do:\n  - {id: end_holder, uses: file.write, with: {path: /a, content: x}}\n")

    assert [one.rule for one in flaws_of(text)] == ["duplicate-id"]


def test_a_step_may_refer_only_to_earlier_writes() -> None:
    later = changed("key: pool.size", 'key: "${{ do.reload.x }}"', RELOAD)
    earlier = changed("signal: HUP}", 'signal: "${{ do.set_pool.digest }}"}', RELOAD)
    unknown = changed("signal: HUP}", 'signal: "${{ do.set_pool.digst }}"}', RELOAD)

    assert [one.rule for one in flaws_of(later)] == ["reference"]
    assert flaws_of(earlier) == []
    assert "Did you mean 'digest'?" in flaws_of(unknown)[0].next


@pytest.mark.parametrize(
    ("written", "is_allowed"),
    [
        ('"${{ do.set_pool.digest }}"', True),
        ('"wrote ${{ do.set_pool.size }} bytes"', True),
        ('"${{ do.set_pool.size }}"', False),
        ('"${{ do.set_pool.digest | upper }}"', False),
        ('"${{ do.set_pool }}"', False),
    ],
)
def test_an_output_stands_plainly_and_where_text_is_expected(written: str, is_allowed: bool) -> None:
    tell = f"value: 4}}\n  - {{id: tell, uses: http.request, with: {{url: http://a, body: {written}}}}}"
    text = changed("value: 4}", tell, RELOAD).replace("roll_back", "hold")
    number = changed("body:", "retries:", text)

    assert (flaws_of(text) == []) is is_allowed
    assert flaws_of(number)


def test_an_exact_or_irreversible_step_takes_no_undo() -> None:
    undo = "\n    undo: {uses: file.write, with: {path: /a, content: x}}\n  - id: reload"
    exact = changed("\n  - id: reload", undo, RELOAD)
    ended = changed(
        "      patience:",
        "      patience: 3s\n    undo: {uses: file.write, with: {path: /a, content: x}}\n#",
        STUCK_WRITER,
    )

    assert [one.rule for one in flaws_of(exact)] == ["undo"]
    assert "undo" in {one.rule for one in flaws_of(ended)}


def test_a_compensable_step_without_its_undo_has_no_way_back() -> None:
    start, end = RELOAD.index("    undo:"), RELOAD.index("contract:")

    assert {one.rule for one in flaws_of(RELOAD[:start] + RELOAD[end:])} == {"no-way-back"}


def test_a_rule_over_several_parameters_waits_for_literals() -> None:
    text = changed("key: pool.size, value: 4", 'key: pool.size, value: "${{ inputs.config }}"', RELOAD)

    assert flaws_of(text) == []


def test_a_label_is_not_checked_before_there_is_an_incident() -> None:
    assert flaws_of(changed("incident.labels.database", '\'incident.labels["db.file"] | default("/a")\'')) == []


def test_a_python_name_is_no_key_of_the_format() -> None:
    text = changed("    with: {path:", "    parameters: {path:")

    assert "unknown-key" in {one.rule for one in flaws_of(text)}


@pytest.mark.parametrize("text", ["3", "[]", "{}", "null", "a: b", "format: 1", "do: 3", "contract: []", "find: [[]]"])
def test_what_is_no_playbook_is_refused(text: str) -> None:
    assert flaws_of(text)


@given(st.data())
def test_a_mangled_playbook_gives_flaws_and_never_an_error(data: st.DataObject) -> None:
    lines = (STUCK_WRITER if data.draw(st.booleans()) else RELOAD).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "swap", "word"])):
            case "drop":
                lines[at] = ""
            case "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                words = lines[at].split(" ")
                words[data.draw(st.integers(0, len(words) - 1))] = data.draw(
                    st.sampled_from(
                        ["3", "null", "true", "[]", "{}", '"${{ find.holder }}"', '"${{ x |"', "-1", "off", "''"]
                    )
                )
                lines[at] = " ".join(words)
    read = read_yaml("\n".join(lines), "p.yaml")
    outcome = read if isinstance(read, Flaw) else lint_document(read, CATALOGUE, {"database_locked"})

    if isinstance(outcome, tuple):
        assert outcome
        assert all(one.line >= 1 and one.message for one in outcome)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("value: 4", "value: ghp_0123456789abcdefghijklmnopqrstuvwxyz", "do.0.with.value"),
        ("value: 4", "value: 'password=hunter2canary'", "do.0.with.value"),
        ("path: /srv/orders/orders.db", "path: /srv/token=hunter2canary", "contract.after.0.with.path"),
        ('path: "${{ service.pid_file }}"', "path: /run/password=hunter2canary", "find.0.with.path"),
        (
            "  config: {type: path,",
            "  password: {type: text, default: hunter2canary}\n  config: {type: path,",
            "inputs.password",
        ),
        ("summary: Set a smaller pool", "summary: Set password=hunter2canary", "summary"),
    ],
)
def test_what_no_plan_may_show_is_told_with_its_line(old: str, new: str, where: str) -> None:
    text = changed(old, new, RELOAD)
    [flaw] = [flaw for flaw in flaws_of(text) if flaw.rule == "secret"]
    assert where in flaw.message
    assert flaw.line == next(n for n, line in enumerate(text.splitlines(), 1) if "hunter2" in line or "ghp_" in line)
    assert "env:NAME" in str(flaw)
    assert "hunter2" not in str(flaw)
    assert "ghp_" not in str(flaw)


@pytest.mark.parametrize("value", ["env:POOL_TOKEN", "file:/run/secrets/token", "${{ inputs.config }}"])
def test_a_reference_where_a_secret_belongs_has_no_flaw(value: str) -> None:
    written = changed("key: pool.size, value: 4", f"key: pool.size, value: '{value}'", RELOAD)
    assert [flaw for flaw in flaws_of(written) if flaw.rule == "secret"] == []
