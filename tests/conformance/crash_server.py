"""Applies one action in a process of its own that dies at a chosen cut; warmed up once, forked for each case."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from grace.act.safehold.vault import FolderVault
from grace.kit.cuts import arm, observe
from grace.model.snapshot import SnapshotObject
from grace.model.target import Target
from tests.act.workbench import Bench, KeptJournal
from tests.conformance.hands import RULES, found_actions, found_providers

NOTES = "notes.jsonl"


class DurableJournal(KeptJournal):
    """Writes each note to disk before it returns, as the ledger does."""

    def __init__(self, vault: FolderVault, file: Path) -> None:
        super().__init__(vault)
        self._file = file

    def note(self, handle: Mapping[str, JsonValue]) -> None:
        super().note(handle)
        with self._file.open("a") as file:
            file.write(json.dumps(dict(handle)) + "\n")
            file.flush()
            os.fsync(file.fileno())


def serve(request: dict[str, Any]) -> None:
    """Do what is asked and die at the cut; without a cut write the names of all that were passed."""
    folder = Path(request["folder"])
    bench = Bench(folder, rules=RULES)
    deed = _deed(request, bench, folder)
    if request["cut"] is not None:
        arm(request["cut"], request["nth"])
        deed()
        return
    with observe() as passed:
        deed()
        names = passed()
    (folder / "cuts.json").write_text(json.dumps(names))
    bench.close()


def _deed(request: dict[str, Any], bench: Bench, folder: Path) -> Callable[[], object]:
    if "taken" in request:
        return _restoring(request, bench)
    return _keeping(request, bench) if "keep" in request else _applying(request, bench, folder)


def _keeping(request: dict[str, Any], bench: Bench) -> Callable[[], object]:
    provider, target = found_providers(bench)[request["keep"]], Target.from_json(request["target"])
    return lambda: provider.take(target, bench.vault)


def _applying(request: dict[str, Any], bench: Bench, folder: Path) -> Callable[[], object]:
    action = found_actions(bench)[request["action"]]
    parameters = action.spec.parameters.model_validate(request["parameters"])
    journal = DurableJournal(bench.vault, folder / NOTES)
    return lambda: action.apply(parameters, journal)


def _restoring(request: dict[str, Any], bench: Bench) -> Callable[[], object]:
    taken = SnapshotObject.from_json(request["taken"])
    provider = found_providers(bench)[taken.provider]
    return lambda: provider.restore(taken, None, tuple(request["changes"]), bench.vault)


def main() -> None:
    """Answer each request line with the wait status of the process that served it."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
