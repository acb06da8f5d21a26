from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grace.govern.policy.live import LivePolicy, PolicySource
from grace.govern.policy.rules import PolicyInvalidError
from grace.model.decision import Ruling
from grace.model.events import EventType
from grace.record.opening import Record
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS, question, step

ALONE = '@id("alone") permit(principal, action == Action::"act_alone", resource);'

SCHEMA = shipped_folder("policies") / "grace.cedarschema"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_folder("policies"), tmp_path / "policies"))


def changes(record: Record) -> list[tuple[bool, str]]:
    entries = record.entries(types={EventType.POLICY_CHANGED})
    return [(bool((entry.payload or {})["accepted"]), entry.actor) for entry in entries]


def test_a_start_with_broken_files_is_refused(folder: Path, record: Record) -> None:
    (folder / "site.cedar").write_text("permit(", encoding="utf-8")
    with pytest.raises(PolicyInvalidError, match=r"site\.cedar:1"):
        LivePolicy(PolicySource((folder,), SCHEMA, DEEDS), record)
    assert changes(record) == []


def test_a_change_of_the_files_counts_from_the_reload_on(folder: Path, record: Record) -> None:
    live = LivePolicy(PolicySource((folder,), SCHEMA, DEEDS), record)
    assert live.reload("ada") is None
    (folder / "site.cedar").write_text(ALONE, encoding="utf-8")
    assert live.decide(question(step())).ruling is Ruling.ACT_WITH_APPROVAL
    before = live.digest
    changed = live.reload("ada")
    assert changed is not None
    assert (changed.accepted, changed.digest) == (True, live.digest)
    assert live.digest != before
    assert live.decide(question(step())).ruling is Ruling.ACT_ALONE
    assert changes(record) == [(True, "grace"), (True, "ada")]


def test_broken_files_leave_the_last_good_policy_in_force_and_say_so_once(folder: Path, record: Record) -> None:
    live = LivePolicy(PolicySource((folder,), SCHEMA, DEEDS), record)
    good = live.digest
    (folder / "site.cedar").write_text(ALONE + "\nnonsense;", encoding="utf-8")
    refused = live.reload("ada")
    assert refused is not None
    assert (refused.accepted, refused.digest) == (False, good)
    assert "site.cedar:2" in refused.why
    assert live.reload("ada") is None
    assert live.problems[0].startswith("site.cedar:2")
    assert live.decide(question(step())).ruling is Ruling.ACT_WITH_APPROVAL
    assert changes(record) == [(True, "grace"), (False, "ada")]


def test_a_policy_that_is_mended_is_in_force_again(folder: Path, record: Record) -> None:
    live = LivePolicy(PolicySource((folder,), SCHEMA, DEEDS), record)
    for text in ("nonsense;", ALONE):
        (folder / "site.cedar").write_text(text, encoding="utf-8")
        live.reload("ada")
    assert live.problems == ()
    assert live.decide(question(step())).ruling is Ruling.ACT_ALONE
    assert [accepted for accepted, _ in changes(record)] == [True, False, True]


def test_a_folder_that_vanished_changes_nothing(folder: Path, record: Record) -> None:
    live = LivePolicy(PolicySource((folder,), SCHEMA, DEEDS), record)
    shutil.rmtree(folder)
    refused = live.reload("ada")
    assert refused is not None
    assert not refused.accepted
    assert "there is no such folder" in refused.why
    assert live.decide(question(step())).allows
