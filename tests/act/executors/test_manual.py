"""The example of the manual is what it claims to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from grace.act.executors import Applied
from grace.act.executors.authored import authored
from grace.act.executors.finding import actions_in
from grace.act.safehold.providers.files import FilesProvider
from grace.kit.cuts import observe
from grace.model.execution import StepState
from grace.model.snapshot import RestoreState
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, file_target, perform, taken

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


def test_the_function_of_the_manual_empties_a_folder_and_gives_it_back(bench: Bench) -> None:
    _, text = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    (bench.folder / "mine").mkdir()
    (bench.folder / "mine" / "cache.py").write_text(text)
    flush = authored(bench.workplace, actions_in([bench.folder / "mine"], (), ())).actions["cache.flush"]
    (bench.world / "cache" / "deep").mkdir(parents=True)
    (bench.world / "cache" / "deep" / "entry").write_text("cached")
    parameters = flush.spec.parameters.model_validate({"path": str(bench.world / "cache")})
    provider, journal = FilesProvider(bench.surroundings), bench.journal()
    kept = taken(provider.take(file_target(bench.world / "cache"), bench.vault))
    assert flush.apply(parameters, journal).state is StepState.DONE
    assert flush.probe(parameters, journal.handle) is Applied.YES
    assert list((bench.world / "cache").iterdir()) == []
    assert provider.restore(kept, None, journal.changes, bench.vault).state is RestoreState.EQUAL
    assert (bench.world / "cache" / "deep" / "entry").read_text() == "cached"
    (bench.world / "cache" / "more").write_text("")
    too_many = flush.spec.parameters.model_validate({"path": str(bench.world / "cache"), "at_most": 1})
    assert isinstance(flush.predict(too_many), Refusal)
