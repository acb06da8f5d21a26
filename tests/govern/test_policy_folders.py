"""`GRACE_POLICY_FOLDERS` names the policy in place of the one that ships; naming both adds to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grace.govern.policy.cedar import CedarPolicy
from grace.model.decision import Ruling
from grace.settings import load_settings
from grace.shipped import shipped_folder
from grace.wiring.sources import policy_source
from tests.api.houses import catalogue
from tests.govern.plans import diagnosis, question, step

SHIPPED = shipped_folder("policies")
ALONE = '@id("alone") permit(principal, action == Action::"act_alone", resource);'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "site.cedar").write_text(ALONE, encoding="utf-8")
    return folder


def policy_of(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> CedarPolicy:
    monkeypatch.setenv("GRACE_POLICY_FOLDERS", os.pathsep.join(map(str, folders)))
    return policy_source(load_settings(), catalogue()).read()


def rules_of(policy: CedarPolicy) -> set[str]:
    return {rule.id for rule in policy.rules}


def test_without_a_name_the_policy_that_ships_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of(monkeypatch)
    assert {"configuration-with-approval", "doubt-asks"} <= rules_of(policy)
    assert policy.decide(question(step())).ruling is Ruling.ACT_WITH_APPROVAL


def test_a_named_folder_is_in_force_instead_its_permits_and_its_forbids(
    monkeypatch: pytest.MonkeyPatch, own: Path
) -> None:
    policy = policy_of(monkeypatch, own)
    assert rules_of(policy) == {"alone"}
    doubtful = policy.decide(question(step(), because=diagnosis(confidence=0.3)))
    assert (doubtful.ruling, doubtful.rule) == (Ruling.ACT_ALONE, "alone"), "`doubt-asks` ships, and is not named"


def test_naming_what_ships_too_adds_to_it_and_its_forbids_win(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    policy = policy_of(monkeypatch, SHIPPED, own)
    assert rules_of(policy) > {"alone", "doubt-asks"}
    assert policy.decide(question(step(), because=diagnosis(confidence=0.9))).ruling is Ruling.ACT_ALONE
    assert policy.decide(question(step(), because=diagnosis(confidence=0.3))).ruling is Ruling.ACT_WITH_APPROVAL


def test_an_empty_folder_permits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    policy = policy_of(monkeypatch, tmp_path / "empty")
    decision = policy.decide(question(step()))
    assert (decision.allows, decision.rule) == (False, "grace:no-rule")
