from __future__ import annotations

from pathlib import Path

import pytest

from grace.doctor.rules import PolicyLook
from grace.govern.policy.live import PolicySource
from grace.kit.clock import SystemClock
from grace.model.catalogue import Catalogue
from grace.model.examination import CheckResult, Health
from grace.settings import Settings
from grace.shipped import shipped_folder
from grace.wiring.workbench import catalogue

SHIPPED = shipped_folder("policies")
OPEN = """
@id("do-anything")
@reason("because")
permit (principal, action == Action::"act_alone", resource);
"""


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return catalogue(Settings())


def look(known: Catalogue, *folders: Path, problems: tuple[str, ...] = ()) -> list[CheckResult]:
    policy = PolicySource(folders, SHIPPED / "grace.cedarschema", frozenset(known.actions)).read()
    return list(
        PolicyLook(policy.rules, policy.decide, tuple(known.actions.values()), SystemClock(), problems).checks()
    )


def test_the_shipped_policy_is_not_open(known: Catalogue) -> None:
    (one,) = look(known, SHIPPED)
    assert one.health is Health.OK
    assert one.value


def test_a_policy_that_lets_everybody_act_alone_fails_and_names_its_rule(known: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "open.cedar").write_text(OPEN)
    (one,) = look(known, SHIPPED, tmp_path)
    assert one.health is Health.FAILED
    assert "do-anything" in one.found
    assert "do-anything" in one.next


def test_a_rule_that_names_its_action_is_no_open_policy(known: Catalogue, tmp_path: Path) -> None:
    narrow = 'when { context.step.deed == Deed::"file.chmod" };'
    (tmp_path / "narrow.cedar").write_text(OPEN.replace("resource);", f"resource) {narrow}"))
    (one,) = look(known, SHIPPED, tmp_path)
    assert one.health is Health.OK


def test_policy_files_that_were_refused_fail_while_the_last_good_ones_stay(known: Catalogue) -> None:
    refused, one = look(known, SHIPPED, problems=("shop.cedar:3: not Cedar",))
    assert refused.health is Health.FAILED
    assert "shop.cedar:3" in refused.found
    assert one.health is Health.OK
