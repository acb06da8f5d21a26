"""Do one deed in a process of its own and kill it at a named cut, as a power cut would; its notes stay on disk."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from grace.act.executors.workplace import ExecutorFactory
from grace.kit.cuts import arm, observe
from tests.act.workbench import Bench, perform

ROOT = Path(__file__).resolve().parents[3]


def crash_at(cut: str, folder: Path, uses: str, parameters: Mapping[str, object]) -> dict[str, JsonValue] | None:
    """Return the handle that was noted before the crash."""
    kind = uses.partition(".")[0]
    command = [sys.executable, "-m", "tests.act.executors.crashing", cut, str(folder), kind, uses]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(parameters), text=True, timeout=60, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    merged: dict[str, JsonValue] = {}
    for line in _notes(folder).read_text().splitlines() if _notes(folder).exists() else ():
        merged |= json.loads(line)
    return merged or None


def cuts_of(bench: Bench, uses: str, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return the cuts that an undisturbed deed passes."""
    factory = _factory(uses.partition(".")[0])
    with observe() as seen:
        perform(factory(bench.workplace), uses, bench.journal(), **parameters)
    return seen()


def _notes(folder: Path) -> Path:
    return folder / "notes.jsonl"


def _factory(kind: str) -> ExecutorFactory:
    return cast("ExecutorFactory", importlib.import_module(f"grace.act.executors.{kind}").build)


def _main(cut: str, folder: str, kind: str, uses: str) -> None:
    bench = Bench(Path(folder))
    journal = bench.journal()

    def to_disk() -> None:
        with _notes(bench.folder).open("a") as file:
            file.write(json.dumps(journal.notes[-1]) + "\n")

    journal.on_note = to_disk
    arm(cut)
    perform(_factory(kind)(bench.workplace), uses, journal, **json.load(sys.stdin))


if __name__ == "__main__":
    _main(*sys.argv[1:])
