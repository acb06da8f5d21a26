from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grace.cli.program import run


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Grace = Callable[..., Said]


class _Terminal(io.StringIO):
    """An input that counts as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def grace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> Grace:
    """Return a function that runs one command line on a fresh data folder; `answer` is what a person types."""
    for name in ("GRACE_SERVER", "GRACE_TOKEN", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRACE_DATA_FOLDER", str(data_folder))

    def call(*arguments: str, answer: str | None = None) -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO() if answer is None else _Terminal(f"{answer}\n"))
        code = run(arguments)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call
