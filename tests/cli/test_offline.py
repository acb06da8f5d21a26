"""Commands that need no server: tokens and the store of a data folder, and playbooks."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from grace import wiring
from grace.api.roles import Role
from grace.cli.addresses import Address, Announcement, announce, announced, find_address, retract
from grace.cli.exits import Exit
from grace.cli.token import RoleName
from grace.record.opening import RecordPlaces, open_record
from grace.settings import load_settings
from tests.cli.conftest import Grace
from tests.cli.world import PLAYBOOK, POLICY
from tests.record.samples import whole_run

TUNE = PLAYBOOK.format(name="alone", expects="is: 5", remedy="hold")
CASES = """\
format: 1
playbook: tune.yaml
service: {name: shop, targets: [{kind: file, id: /srv/shop/}]}
cases:
  - name: it widens the pool
    incident: {labels: {playbook: alone, file: /srv/shop/shop.json}}
    cause: dependency_unavailable
    expect:
      steps:
        - {id: widen, uses: file.set_value, with: {key: pool, value: 5}}
      ruling: RULING
"""


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "tune.yaml").write_text(TUNE)
    return folder


def test_the_roles_of_the_command_line_are_those_of_the_server() -> None:
    assert [role.value for role in RoleName] == [role.value for role in Role]


def test_a_token_whose_name_reads_like_another_is_refused_on_the_data_folder(grace: Grace) -> None:
    assert grace("token", "create", "op1", "--role", "operator").code == Exit.DONE
    for name in ("OP1", "op1 ", "op1\u200b"):
        said = grace("token", "create", name, "--role", "approver")
        assert said.code == Exit.USAGE
        assert "the name" in said.err


def test_tokens_are_made_listed_and_revoked_on_the_data_folder(grace: Grace) -> None:
    said = grace("token", "create", "ann", "--role", "admin", "--expires", "1h")
    assert said.code == Exit.DONE
    assert said.out.strip()
    assert "expires in 59 min" in said.err
    assert grace("token", "create", "ben", "--role", "viewer", "--json").json["secret"]
    names = {one["name"]: one["id"] for one in grace("token", "list", "--json").json["items"]}
    assert set(names) == {"ann", "ben"}
    assert grace("token", "revoke", names["ben"].lower()).code == Exit.DONE
    assert "revoked" in grace("token", "list").out
    assert grace("token", "revoke", names["ben"]).code == Exit.REFUSED
    assert grace("token", "revoke", "nobody").code == Exit.USAGE


def test_a_kept_token_is_for_later_commands_and_private(grace: Grace, data_folder: Path) -> None:
    secret = grace("token", "create", "ann", "--role", "admin", "--keep").out.strip()
    kept = data_folder / "token"
    assert kept.read_text() == f"{secret}\n"
    assert kept.stat().st_mode & 0o077 == 0


def test_a_folder_that_another_grace_has_open_is_left_alone(grace: Grace, data_folder: Path) -> None:
    with wiring.open_tokens(load_settings(data_folder=data_folder)):
        for line in ("token list", "store rebuild", "store upgrade", "store check"):
            said = grace(*line.split())
            assert said.code == Exit.REFUSED, line
            assert f"Another GRACE (pid {os.getpid()}) has {data_folder} open" in said.err
            assert "the same again in a moment" in said.err


def test_what_a_killed_server_left_behind_is_not_believed(grace: Grace, data_folder: Path) -> None:
    announce(data_folder, "http://127.0.0.1:9")
    said = json.loads((data_folder / "server.json").read_text())
    assert announced(data_folder) == Announcement("http://127.0.0.1:9", said["pid"])
    (data_folder / "token").write_text("kept")
    assert find_address("", "", data_folder) == Address("http://127.0.0.1:9", "kept")
    assert find_address("http://127.0.0.1:10", "", data_folder).token == "", "it is for this folder's server alone"

    (data_folder / "server.json").write_text(json.dumps({**said, "started_at": said["started_at"] - 1}))
    assert announced(data_folder) is None
    assert find_address("", "", data_folder).token == "", "somebody else may listen there by now"
    assert grace("token", "list").code == Exit.DONE


def test_an_announcement_is_taken_back_by_its_own_process_alone(data_folder: Path) -> None:
    announce(data_folder, "http://127.0.0.1:9")
    retract(data_folder)
    assert not (data_folder / "server.json").exists()
    retract(data_folder)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"address": 1}', "\x00", '{"address": "http://x", "pid": "y", "started_at": 1}', "9" * 5000],
)
def test_a_broken_announcement_is_as_good_as_none(data_folder: Path, content: str) -> None:
    (data_folder / "server.json").write_text(content)
    assert announced(data_folder) is None


def test_read_models_are_made_again_from_the_ledger(grace: Grace) -> None:
    grace("token", "create", "ann", "--role", "admin")
    said = grace("store", "rebuild", "--json")
    assert (said.code, said.json["replayed"]) == (Exit.DONE, 1)
    assert grace("store", "upgrade").code == Exit.DONE


def test_rows_that_somebody_changed_by_hand_are_told_one_by_one_and_left_as_they_are(
    grace: Grace, data_folder: Path
) -> None:
    with open_record(RecordPlaces.within(data_folder)) as record:
        for item in whole_run():
            record.append(item)
    whole = grace("store", "check", "--json")
    assert (whole.code, whole.json["replayed"], whole.json["different"]) == (Exit.DONE, len(whole_run()), [])
    assert "every row of the read models is as" in grace("store", "check").out
    with closing(sqlite3.connect(data_folder / "grace.db", isolation_level=None)) as connection:
        (run,) = connection.execute("SELECT id FROM runs").fetchone()
        connection.execute("UPDATE runs SET settlement = 'committed', opened_at = 'never'")
        connection.execute("DELETE FROM plans")
        made_up = "INSERT INTO quarantines VALUES ('file:host:/made-up', ?, '2026-01-01T00:00:00.000000Z', NULL)"
        connection.execute(made_up, (run,))
    told = grace("store", "check")
    assert told.code == Exit.FAULT
    assert f"runs {run}: differs in settlement, opened_at" in told.out
    assert ": is missing" in told.out
    assert f"quarantines file:host:/made-up {run}: stands there, and no entry makes it" in told.out
    assert "3 rows of the read models not as" in told.out
    assert grace("store", "check", "--json").json["different"][0]["table"] in {"plans", "quarantines", "runs"}
    assert not list(data_folder.glob(".check-*"))
    assert grace("store", "rebuild").code == Exit.DONE
    assert grace("store", "check").code == Exit.DONE


def test_an_entry_that_somebody_changed_by_hand_is_told_and_the_ledger_not_trusted(
    grace: Grace, data_folder: Path
) -> None:
    with open_record(RecordPlaces.within(data_folder)) as record:
        for item in whole_run():
            record.append(item)
    size = len(whole_run())
    assert f"{size} entries lead to the signed tree, and to its witnessed checkpoint" in grace("store", "check").out
    with closing(sqlite3.connect(data_folder / "grace.db", isolation_level=None)) as connection:
        connection.execute("""UPDATE ledger_entries SET actor = 'mallory' WHERE "index" = 1""")
    told = grace("store", "check")
    assert told.code == Exit.LEDGER_INVALID
    assert "entry 1 (" in told.out
    assert "is not the one in the tree" in told.out
    assert "every row" not in told.out
    assert told.out.rstrip().endswith("next: read docs/ledger.md, `A log that is not trusted`")
    as_json = grace("store", "check", "--json")
    assert (as_json.code, as_json.json["log"]["found"], as_json.json["log"]["astray"][0]["index"]) == (7, 1, 1)


def test_a_folder_that_cannot_be_made_is_told(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = grace("token", "list", "--data", str(tmp_path / "file"))
    assert (said.code, said.out) == (Exit.FAULT, "")
    assert str(tmp_path / "file") in said.err


def test_a_store_that_is_not_there_is_a_usage_error(grace: Grace, tmp_path: Path) -> None:
    said = grace("store", "rebuild", "--data", str(tmp_path / "nowhere"))
    assert said.code == Exit.USAGE
    assert not (tmp_path / "nowhere").exists()


def test_a_ledger_that_its_witness_contradicts_is_not_opened(grace: Grace, data_folder: Path) -> None:
    grace("token", "create", "ann", "--role", "admin")
    (data_folder / "grace.db").unlink()
    for left in data_folder.glob("grace.db-*"):
        left.unlink()
    said = grace("token", "list")
    assert said.code == Exit.LEDGER_INVALID
    assert "witness" in said.err


def test_a_setting_that_is_wrong_is_a_usage_error(grace: Grace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_PROT", "8000")
    said = grace("token", "list")
    assert said.code == Exit.USAGE
    assert "did you mean GRACE_PORT?" in said.err


@pytest.mark.slow
def test_a_playbook_without_a_flaw_passes(grace: Grace, playbooks: Path) -> None:
    said = grace("playbook", "lint", str(playbooks))
    assert (said.code, said.err) == (Exit.DONE, "")
    assert "1 playbook without a flaw" in said.out


@pytest.mark.slow
def test_a_flaw_is_told_with_file_and_line(grace: Grace, playbooks: Path) -> None:
    (playbooks / "tune.yaml").write_text(TUNE.replace("file.set_value", "file.set_valeu"))
    said = grace("playbook", "lint", str(playbooks))
    line = 1 + TUNE.splitlines().index("    uses: file.set_value")
    assert said.code == Exit.USAGE
    assert f"{playbooks / 'tune.yaml'}:{line}:" in said.out
    assert "file.set_value" in said.out, "what was probably meant"
    (flaw, *_) = grace("playbook", "lint", str(playbooks), "--json").json["flaws"]
    assert flaw["line"] == line


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- 1", b"a: &a [*a]", b"format: 1\n" * 3, b"\x00"])
def test_a_file_that_is_no_playbook_is_told_and_never_a_traceback(
    grace: Grace, playbooks: Path, content: bytes
) -> None:
    (playbooks / "tune.yaml").write_bytes(content)
    said = grace("playbook", "lint", str(playbooks / "tune.yaml"))
    assert said.code == Exit.USAGE
    assert "tune.yaml:" in said.out


def test_paths_that_hold_no_playbook_are_usage_errors(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert grace("playbook", "lint", str(tmp_path / "nowhere")).code == Exit.USAGE
    assert grace("playbook", "lint", str(tmp_path / "empty")).code == Exit.USAGE
    assert grace("playbook", "test", str(tmp_path / "nowhere")).code == Exit.USAGE


@pytest.mark.slow
def test_the_schema_names_actions_and_probes(grace: Grace) -> None:
    said = grace("playbook", "schema")
    assert said.json["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "file.set_value" in said.out
    assert "file.value" in said.out


@pytest.mark.slow
def test_tests_of_playbooks_ask_the_policy_of_the_settings(
    grace: Grace, playbooks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (playbooks / "tune.test.yaml").write_text(CASES.replace("RULING", "act_alone"))
    said = grace("playbook", "test", str(playbooks))
    assert said.code == Exit.FAULT
    assert "expected the ruling act_alone, got act_with_approval" in said.out
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "tuning.cedar").write_text(POLICY)
    monkeypatch.setenv("GRACE_POLICY_FOLDERS", str(policies))
    said = grace("playbook", "test", str(playbooks))
    assert (said.code, "✓ met" in said.out) == (Exit.DONE, True)
    assert json.loads(grace("playbook", "test", str(playbooks), "--json").out)["passed"] is True
    (policies / "broken.cedar").write_text("permit (")
    said = grace("playbook", "test", str(playbooks))
    assert said.code == Exit.USAGE
    assert "broken.cedar" in said.err


@pytest.mark.slow
def test_a_folder_without_tests_proves_nothing(grace: Grace, playbooks: Path) -> None:
    said = grace("playbook", "test", str(playbooks))
    assert said.code == Exit.USAGE
