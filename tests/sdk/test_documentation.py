"""Every example of docs/sdk.md runs as it is printed, without a DSN too; with one, what it captures arrives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import grace_sdk
import pytest
from grace_sdk.hooks import PLACES
from grace_sdk.reporter import Progress

from tests.sdk.sink import Sink

_PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text()
_EXAMPLES: list[str] = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(1, len(_EXAMPLES)))
def test_an_example_runs_and_is_heard(sink: Sink, number: int) -> None:
    environment = {**os.environ, "GRACE_DSN": sink.dsn()}
    command = [sys.executable, "-W", "error", "-c", _EXAMPLES[number]]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.replace("the bank took 9 s\n", "")) == (0, "")
    arrived = sink.wait_for(1)
    assert {signal["service"] for signal in arrived} == {"orders"}
    shown = re.findall(r"[0-9a-f]{12,}(?:-\d+)?", result.stdout)
    assert set(shown) <= {signal["correlation_id"] for signal in arrived}


@pytest.mark.parametrize("number", range(len(_EXAMPLES)))
def test_an_example_runs_without_a_dsn(tmp_path: Path, number: int) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRACE_")}
    command = [sys.executable, "-W", "error", "-c", _EXAMPLES[number]]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr.replace("the bank took 9 s\n", "")) == (0, "")


def test_the_first_example_is_all_that_a_program_needs(sink: Sink) -> None:
    environment = {**os.environ, "GRACE_DSN": sink.dsn()}
    program = f"{_EXAMPLES[0]}\nraise LookupError"
    subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=60, check=False)
    assert sink.wait_for(1)[0]["title"] == "LookupError"


def test_the_page_names_every_hook_and_every_call() -> None:
    assert [name for name in PLACES if f"| `{name}` |" not in _PAGE] == []
    assert [name for name in grace_sdk.__all__ if f"`{name}(" not in _PAGE] == []


def test_every_test_that_the_page_names_exists() -> None:
    root = Path(__file__).parents[2]
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", _PAGE))
    assert files
    assert [name for name in files if not (root / name).exists()] == []
    written = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", _PAGE) if f"def {name}(" not in written] == []


def test_progress_counts_what_the_page_says() -> None:
    row = next(line for line in _PAGE.splitlines() if line.startswith("| `progress()`"))
    assert tuple(re.findall(r"`(\w+)`", row)) == Progress._fields
