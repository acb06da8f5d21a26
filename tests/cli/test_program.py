from __future__ import annotations

import re
import socket
import subprocess
import sys

import pytest

from grace.cli.exits import OF_SETTLEMENT, Exit
from grace.cli.program import COMMANDS, command_named
from grace.model.settlement import SettlementKind
from tests.cli.commands import leaves
from tests.cli.conftest import Grace

HEAVY = {"pydantic", "rich", "sqlalchemy", "dbos", "fastapi", "uvicorn", "cryptography", "ruamel"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_list_is_in_its_file(name: str) -> None:
    assert command_named(name).name == name
    assert COMMANDS[name].summary.endswith(".")


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = "import sys; from grace.cli.program import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *page, imported = done.stdout.strip().splitlines()
    listed = {line.split()[0] for line in page if re.match(r"  [a-z]+ {2,}", line)}
    assert set(COMMANDS) <= listed
    assert HEAVY.isdisjoint(imported.split())


def test_without_a_command_the_list_is_shown(grace: Grace) -> None:
    said = grace()
    assert said.code == Exit.DONE
    assert "Commands:" in said.out


def test_the_version_is_told(grace: Grace) -> None:
    assert re.fullmatch(r"grace \d+\.\d+\.\d+\n", grace("--version").out)


@pytest.mark.parametrize(
    ("line", "says", "next_step"),
    [
        ("statsu", "Did you mean 'status'?", "grace --help"),
        ("", "", ""),
        ("--nonsense", "No such option: --nonsense", "grace --help"),
        ("ledger", "Missing command", "grace ledger --help"),
        ("ledger vrify", "Did you mean 'verify'?", "grace ledger --help"),
        ("ledger verify", "Missing argument 'EXPORT'", "grace ledger verify --help"),
        ("heal", "Missing argument 'INCIDENT'", "grace heal --help"),
        ("undo run_1", "the record wants to know why", "grace undo run_1 --reason WHY"),
        ("keep run_1", "Missing option '--reason'", "grace keep --help"),
        ("incidents --limit 0", "--limit", "grace incidents --help"),
        ("incidents --limit many", "--limit", "grace incidents --help"),
        ("runs a b", "unexpected extra argument", "grace runs --help"),
        ("ledger proof -- -1", "INDEX", "grace ledger proof --help"),
        ("ledger proof \ud800", "INDEX", "grace ledger proof --help"),
        ("status --server ftp://x", "is not the address of a server", "--server http://127.0.0.1:8000"),
        ("status --server http://[", "is not the address of a server", "--server http://127.0.0.1:8000"),
        ("status --server http://h:99999", "is not the address of a server", "--server http://127.0.0.1:8000"),
    ],
)
def test_garbage_is_a_usage_error_with_a_next_step(grace: Grace, line: str, says: str, next_step: str) -> None:
    said = grace(*line.split())
    if not line:
        assert said.code == Exit.DONE
        return
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert says in said.err
    assert said.err.rstrip().splitlines()[-1] == f"next: {next_step}"


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "incidents",
        "runs",
        "explain @last",
        "plan inc_1",
        "heal inc_1",
        "approve run_1",
        "reject run_1",
        "halt",
        "undo run_1 --reason x",
        "keep run_1 --reason x",
        "ledger checkpoint",
        "ledger entries",
        "ledger proof 0",
        "playbook list",
    ],
)
def test_a_server_that_does_not_answer_has_its_own_exit_code(grace: Grace, line: str) -> None:
    with socket.socket() as bound:  # bound, and nobody listens
        bound.bind(("127.0.0.1", 0))
        said = grace(*line.split(), "--server", f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert (said.code, said.out) == (Exit.UNREACHABLE, "")
    assert said.err.splitlines()[-1] == "next: grace serve, or name another address with --server"


def test_with_json_an_error_is_json_too(grace: Grace) -> None:
    said = grace("status", "--server", "ftp://x", "--json")
    assert said.out == ""
    assert '"exit": 2' in said.err
    assert '"next": "--server http://127.0.0.1:8000"' in said.err


def test_every_settlement_has_an_exit_code() -> None:
    assert set(OF_SETTLEMENT) == {kind.value for kind in SettlementKind}


def test_every_command_argument_and_option_has_a_help_text() -> None:
    silent = [f"{path} {one.name}" for path, command in leaves() for one in command.params if not one.help]
    assert silent == []
    assert [path for path, command in leaves() if not command.help] == []
