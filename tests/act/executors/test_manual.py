"""The example of the manual is what it claims to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from grace.act.executors import Applied
from grace.act.safehold.providers.files import FilesProvider
from grace.kit.cuts import observe
from grace.model.execution import StepState
from grace.model.snapshot import RestoreState
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, perform, taken

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "writing-an-executor.md"


def test_the_example_of_the_manual_pauses_a_queue_and_gives_it_back(bench: Bench) -> None:
    found = re.search(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert found is not None
    module: dict[str, Any] = {"__name__": "example"}
    exec(compile(found[1], str(MANUAL), "exec", dont_inherit=True), module)  # noqa: S102 - the example is meant to be run
    hands = module["build"](bench.workplace)
    action = hands.actions["queue.pause"]
    parameters = action.spec.parameters(queue=str(bench.world))
    (target,) = action.targets(parameters)
    provider = FilesProvider(bench.surroundings)
    kept, journal = taken(provider.take(target, bench.vault)), bench.journal()
    assert action.probe(parameters, None) is Applied.NO
    with observe() as passed:
        assert perform(hands, "queue.pause", journal, queue=str(bench.world)).state is StepState.DONE
        assert "executor.queue.pause.before_publish" in passed()
    assert action.probe(parameters, journal.handle) is Applied.YES
    assert (bench.world / "paused").exists()
    assert provider.restore(kept, None, journal.changes, bench.vault).state is RestoreState.EQUAL
    assert list(bench.world.iterdir()) == []
    assert isinstance(action.predict(action.spec.parameters(queue=str(bench.own))), Refusal)
