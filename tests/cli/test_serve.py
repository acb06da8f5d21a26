"""`grace serve` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from grace.cli.addresses import Announcement, announced
from grace.cli.exits import Exit
from tests.cli.conftest import Grace, Said

pytestmark = pytest.mark.slow


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRACE_")}
    return {**kept, "GRACE_DATA_FOLDER": str(folder / "data")}


def _serve(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "grace", "serve", "--port", "0", "--json", *options]
    return subprocess.Popen(
        command, cwd=folder, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _refusal(folder: Path, *options: str) -> Said:
    with _serve(folder, *options) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        return Said(process.returncode, out, err)


@pytest.fixture
def server(tmp_path: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a folder that was never used; return its process and address."""
    with _serve(tmp_path) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["address"]
        finally:
            process.kill()


def test_a_first_start_can_be_used_at_once(
    grace: Grace, server: tuple[subprocess.Popen[str], str], data_folder: Path
) -> None:
    process, address = server
    assert announced(data_folder) == Announcement(address, process.pid)
    for private in ("server.json", "token"):
        assert (data_folder / private).stat().st_mode & 0o077 == 0
    said = grace("status")
    assert said.code == Exit.DONE
    assert address in said.out
    assert "none declared" in said.out
    assert grace("token", "create", "ann", "--role", "approver").code == Exit.DONE
    assert grace("incidents").out.startswith("No incident yet.")
    assert grace("runs").out.startswith("No run yet.")
    assert grace("explain", "@last").code == Exit.USAGE


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_leaves_nothing_behind_and_starts_again(
    grace: Grace, server: tuple[subprocess.Popen[str], str], tmp_path: Path, data_folder: Path, stop: signal.Signals
) -> None:
    process, address = server
    process.send_signal(stop)
    assert process.wait() == Exit.DONE
    assert not (data_folder / "server.json").exists()
    assert grace("status", "--server", address).code == Exit.UNREACHABLE
    assert [one["name"] for one in grace("token", "list", "--json").json["items"]] == ["local"]
    with _serve(tmp_path) as again:
        assert again.stdout is not None
        again.stdout.readline()
        assert grace("status").code == Exit.DONE, "the kept token still opens the door"
        assert len(grace("token", "list", "--json").json["items"]) == 1, "no second first token"
        again.kill()


def test_a_first_start_after_a_token_for_a_sender_makes_one_for_admin_too(
    grace: Grace, tmp_path: Path, data_folder: Path
) -> None:
    assert grace("token", "create", "shop", "--role", "sender").code == Exit.DONE
    with _serve(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert grace("token", "create", "ann", "--role", "admin").code == Exit.DONE
        process.kill()


def test_a_start_leaves_a_token_that_was_kept_and_says_how_to_get_in_again(
    grace: Grace, tmp_path: Path, data_folder: Path
) -> None:
    assert grace("token", "create", "ben", "--role", "operator", "--keep").code == Exit.DONE
    kept = (data_folder / "token").read_text()
    with _serve(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert (data_folder / "token").read_text() == kept
        said = grace("token", "create", "ann", "--role", "admin")
        assert said.code == Exit.REFUSED
        assert f"stop the server (kill {process.pid}) and say this again" in said.err
        process.kill()


def test_one_data_folder_has_one_server(server: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    said = _refusal(tmp_path)
    assert said.code == Exit.REFUSED
    process, address = server
    assert f"Another GRACE (pid {process.pid}) has" in said.err
    assert f"it answers at {address}" in said.err
    assert (tmp_path / "data" / "server.json").exists(), "the first one is still announced"


def test_an_address_for_others_needs_a_token_first(tmp_path: Path) -> None:
    said = _refusal(tmp_path, "--host", "0.0.0.0")
    assert said.code == Exit.REFUSED
    assert "grace token create" in said.err


def test_a_port_that_is_taken_is_told(server: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    port = server[1].rpartition(":")[2]
    said = _refusal(tmp_path, "--data", str(tmp_path / "other"), "--port", port)
    assert said.code == Exit.REFUSED
    assert port in said.err


def test_services_that_are_flawed_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "grace.yaml").write_text("format: 1\nservices:\n  - name: shop\n    mod: auto\n")
    said = _refusal(tmp_path)
    assert said.code == Exit.USAGE
    assert "grace.yaml:4:" in said.err
    assert "mode" in said.err


def test_a_service_that_may_write_into_the_own_folder_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    declared = "format: 1\nservices:\n  - name: shop\n    targets:\n      - {kind: file, id: link/vault/}\n"
    (tmp_path / "grace.yaml").write_text(declared)
    said = _refusal(tmp_path)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "grace.yaml:5:" in said.err
    assert "own folder" in said.err


def _served_once(folder: Path, *options: str) -> None:
    with _serve(folder, *options) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["address"]
        process.send_signal(signal.SIGTERM)
        assert process.wait() == Exit.DONE


def test_a_ledger_that_moved_without_its_witness_is_taken_on_by_a_persons_word_alone(
    grace: Grace, tmp_path: Path, data_folder: Path
) -> None:
    _served_once(tmp_path)
    witness = data_folder / "ledger.checkpoints"
    held = witness.read_bytes()
    witness.unlink()
    said = _refusal(tmp_path)
    assert said.code == Exit.LEDGER_INVALID
    assert "start once with `grace serve --adopt-ledger`" in said.err

    _served_once(tmp_path, "--adopt-ledger")
    assert witness.stat().st_size > 0
    _served_once(tmp_path, "--adopt-ledger")
    with _serve(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = grace("ledger", "entries", "--type", "server.started", "--json").json["items"]
        process.kill()
    assert [one["payload"]["adopted"] for one in started] == [False, True, False, False]

    witness.write_bytes(held.replace(b"log_", b"log-"))
    assert _refusal(tmp_path, "--adopt-ledger").code == Exit.LEDGER_INVALID, "another log's witness is not overruled"


def test_a_services_file_that_was_named_and_is_not_there_stops_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grace", "serve", "--config", str(tmp_path / "graec.yaml"), "--port", "0"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert said.returncode == Exit.REFUSED
    assert "graec.yaml" in said.stderr
    assert not (tmp_path / "grace-data").exists()


def test_an_entry_that_cannot_be_read_stops_the_start_like_one_that_was_changed(
    tmp_path: Path, data_folder: Path
) -> None:
    _served_once(tmp_path)
    with closing(sqlite3.connect(data_folder / "grace.db", isolation_level=None)) as connection:
        newest = 'WHERE "index" = (SELECT max("index") FROM ledger_payloads)'
        connection.execute(f"UPDATE ledger_payloads SET payload = '{{' {newest}")
    said = _refusal(tmp_path)
    assert said.code == Exit.LEDGER_INVALID
    assert "cannot be read" in said.err
    assert "put back the newest copy" in said.err
    assert "Traceback" not in said.err


def test_a_damaged_engine_does_not_stop_the_start_and_is_told_of(tmp_path: Path, data_folder: Path) -> None:
    _served_once(tmp_path)
    (data_folder / "engine.db").write_text("no database")
    _served_once(tmp_path)
    (aside,) = data_folder.glob("engine.db.damaged-*")
    assert aside.read_text() == "no database"
