"""The page on policy is held to the code: its rules load, and its list of denials is complete."""

from __future__ import annotations

import re
from pathlib import Path

from grace.govern.policy.cedar import CedarPolicy
from grace.govern.policy.rules import make_rules
from grace.model.decision import Ruling
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, question, terminate

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
SCHEMA = (shipped_folder("policies") / "grace.cedarschema").read_text(encoding="utf-8")


def test_the_rules_on_the_page_load_and_do_what_it_says() -> None:
    written = "\n".join(re.findall(r"```cedar\n(.*?)```", PAGE, re.DOTALL))
    rules = make_rules({"page.cedar": written}, SCHEMA, DEEDS)
    assert [rule.names_irreversible for rule in rules.rules] == [True, True]
    decided = CedarPolicy(rules).decide(question(terminate(patience=10)))
    assert (decided.ruling, decided.rule) == (Ruling.ACT_ALONE, "orders-end-stuck-writer")


def test_every_denial_that_no_rule_lifts_is_on_the_page_and_no_other() -> None:
    source = (ROOT / "src" / "grace" / "govern" / "policy" / "cedar.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"(grace:[a-z-]+)"', source))
    assert named == set(re.findall(r"`(grace:[a-z-]+)`", PAGE))


def test_every_attribute_in_the_schema_is_on_the_page() -> None:
    entities = re.findall(r"^entity .*?^};?|^entity [^{}]*?^} tags", SCHEMA, re.MULTILINE | re.DOTALL)
    attributes = {name for entity in entities for name in re.findall(r"^    (\w+): ", entity, re.MULTILINE)}
    assert {"deed", "cause", "owner", "digest"} <= attributes
    assert {name for name in attributes if f"`{name}`" not in PAGE and f".{name}`" not in PAGE} == set()
