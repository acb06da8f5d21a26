"""The playbooks, knowledge and policy of the demo hold what they promise, without a server."""

from typing import Final

import pytest

from grace import wiring
from grace.kit.clock import SystemClock
from grace.settings import Settings, load_settings
from grace.shipped import shipped_folder
from grace.think.playbooks.loading import case_files, load_playbooks, playbook_files
from grace.think.playbooks.rehearsing import run_playbook_tests

EXAMPLE: Final = shipped_folder("examples") / "orders"
PLAYBOOKS: Final = EXAMPLE / "playbooks"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(
        knowledge_folders=(EXAMPLE / "knowledge",),
        policy_folders=(shipped_folder("policies"), EXAMPLE / "policies"),
        drill_folders=("/srv/shop",),
    )


def test_the_demos_playbooks_are_without_flaw(settings: Settings) -> None:
    library = load_playbooks([PLAYBOOKS], wiring.catalogue(settings), wiring.known_causes(settings))
    assert library.flaws == ()
    assert len(library.playbooks) == len(playbook_files([PLAYBOOKS])) == len(case_files([PLAYBOOKS]))


def test_the_demos_playbooks_plan_what_their_cases_say_in_the_tier_they_say(settings: Settings) -> None:
    catalogue = wiring.catalogue(settings)
    report = run_playbook_tests([PLAYBOOKS], catalogue, wiring.decider(settings, catalogue, SystemClock()))
    assert report.flaws == ()
    assert {one.name: one.problems for one in report.results if not one.is_passed} == {}
