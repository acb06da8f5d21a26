"""The check for text that must not be committed finds such text."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT

GOOD_LOCK = "anyio==4.0.0 \\\n    --hash=sha256:00\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "check-text", tmp_path / ".ci")
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / lock).write_text(GOOD_LOCK)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_clean_text_passes(clone: Path) -> None:
    (clone / "notes.md").write_text("Nothing to see.\n")
    assert _check(clone) == 0


@pytest.mark.parametrize(
    "lock",
    ["--index-url https://example.org/simple\n", "anyio @ https://example.org/a.whl\n", "anyio>=4\n", "anyio==4.0\n"],
)
def test_a_lock_that_names_an_address_or_lacks_a_hash_is_refused(clone: Path, lock: str) -> None:
    (clone / "requirements.lock").write_text(lock + GOOD_LOCK)
    assert _check(clone) == 1


@pytest.mark.parametrize(
    "pieces", [("/wo", "rk/main/x"), ("pypi.", "org"), ("/ro", "ot/.cache"), ("registry.npm", "js.org")]
)
def test_a_path_of_one_machine_or_a_registry_s_host_is_refused(clone: Path, pieces: tuple[str, str]) -> None:
    (clone / "notes.md").write_text("".join(pieces))
    assert _check(clone) == 1


def test_outside_a_repository_the_check_fails_loudly(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    assert _check(clone) > 1


def _check(clone: Path) -> int:
    subprocess.run(["git", "add", "-A"], cwd=clone, check=False, capture_output=True)
    return subprocess.run([".ci/check-text"], cwd=clone, check=False, capture_output=True).returncode
