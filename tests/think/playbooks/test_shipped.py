from __future__ import annotations

import pytest

from grace import wiring
from grace.kit.clock import SystemClock
from grace.model.catalogue import Catalogue
from grace.settings import Settings, load_settings
from grace.think.playbooks.loading import case_files, load_playbooks, playbook_files
from grace.think.playbooks.rehearsing import run_playbook_tests
from tests.think.worlds import SHIPPED

FOLDER = SHIPPED / "playbooks"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings()


@pytest.fixture(scope="module")
def catalogue(settings: Settings) -> Catalogue:
    return wiring.catalogue(settings)


def test_every_playbook_that_ships_is_without_flaw(settings: Settings, catalogue: Catalogue) -> None:
    library = load_playbooks([FOLDER], catalogue, wiring.known_causes(settings))

    assert library.flaws == ()
    assert len(library.playbooks) == len(playbook_files([FOLDER]))


def test_every_playbook_that_ships_has_cases_and_they_come_out_as_expected(
    settings: Settings, catalogue: Catalogue
) -> None:
    report = run_playbook_tests([FOLDER], catalogue, wiring.decider(settings, catalogue, SystemClock()))

    assert report.flaws == ()
    assert {one.name: one.problems for one in report.results if not one.is_passed} == {}
    names = {path.name.partition(".")[0] for path in playbook_files([FOLDER])}
    assert {path.name.partition(".")[0] for path in case_files([FOLDER])} == names


def test_every_playbook_that_ships_tells_editors_its_schema() -> None:
    for path in playbook_files([FOLDER]):
        assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n"), path.name
