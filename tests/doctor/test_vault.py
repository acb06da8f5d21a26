"""A vault that is gone is noticed at the start, before anybody needs it for a way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grace import wiring
from grace.act.safehold.vault import VaultGone
from grace.kit.clock import SystemClock
from grace.model.examination import CheckResult, Health
from grace.settings import Settings, load_settings
from grace.wiring.examining import examine_offline
from tests.api.houses import RUN, Engine, make_house, walk_a_run
from tests.cli.world import open_world

pytestmark = pytest.mark.slow


def looked_at(settings: Settings) -> CheckResult:
    results = examine_offline(settings, SystemClock()).results
    return next(one for one in results if one.check == "record.vault")


def start(settings: Settings) -> CheckResult:
    """Start, look with the server's own doctor, and stop."""
    with wiring.open_house(settings) as running:
        return next(one for one in running.house.doctor.examine().results if one.check == "record.vault")


def test_a_vault_that_is_gone_stops_the_start_and_names_who_needed_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_world(tmp_path) as world:
        incident, _ = world.incident("held")
        held = world.settled_run(incident)
        assert held["settlement"] == "held"
    vault = world.data / "vault"
    settings = load_settings(data_folder=world.data, services_file=tmp_path / "absent.yaml")
    assert looked_at(settings).health is Health.OK
    shutil.rmtree(vault)
    with pytest.raises(VaultGone) as refused, wiring.open_house(settings):
        pass
    assert isinstance(refused.value, wiring.UNUSABLE)
    assert f"there is no way back for {held['id']} (held)" in str(refused.value)
    assert f"mkdir -m 700 {vault}" in str(refused.value)
    assert not vault.exists()
    assert f"is not there: no way back for {held['id']} (held)" in looked_at(settings).found
    vault.mkdir(mode=0o700)  # what the refusal says: knowingly
    found = start(settings)
    assert (found.health, held["id"] in found.found) == (Health.FAILED, True)
    assert f"no way back for {held['id']} (held)" in caplog.text


def test_runs_that_were_committed_are_counted_and_a_vault_that_nobody_needs_is_made_again(tmp_path: Path) -> None:
    settings = load_settings(data_folder=tmp_path / "data", services_file=tmp_path / "absent.yaml")
    assert start(settings).health is Health.OK
    vault = settings.data_folder / "vault"
    shutil.rmtree(vault)
    assert start(settings).health is Health.OK
    with wiring.open_house(settings) as running:
        walk_a_run(make_house(running.house.record, Engine()))
    shutil.rmtree(vault)
    with pytest.raises(VaultGone, match="no way back for 1 committed"):
        start(settings)


def test_an_open_run_is_named_whose_content_alone_is_gone(tmp_path: Path) -> None:
    settings = load_settings(data_folder=tmp_path / "data", services_file=tmp_path / "absent.yaml")
    with wiring.open_house(settings) as running:
        walk_a_run(make_house(running.house.record, Engine()), until="verdict")
        (found,) = (one for one in running.house.doctor.examine().results if one.check == "record.vault")
    assert (found.health, found.found) == (Health.FAILED, f"lacks contents: no way back for {RUN} (open)")
