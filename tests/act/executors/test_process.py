"""process actions on real processes: only the one that was meant, only while it is tied to the service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from grace.act.executors import Action, Applied
from grace.act.executors.process import ProcessExecutor, Signal, Terminate
from grace.act.executors.workplace import ProcessRules
from grace.kit.procfs import is_alive, process_stat
from grace.model.execution import StepState
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, KeptJournal

HOLDER = """
import fcntl, signal, sys
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
seen = open(sys.argv[2], "a")
def reload(number, frame): seen.write("reload\\n"); seen.flush()
signal.signal(signal.SIGHUP, reload)
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
while True: signal.pause()
"""
RULES = ProcessRules(allow_as_root=True)


@contextmanager
def holder(bench: Bench, *words: str) -> Generator[tuple[subprocess.Popen[str], Path]]:
    """Start a process that holds a write lock."""
    path = bench.world / "locked"
    command = [sys.executable, "-c", HOLDER, str(path), str(bench.world / "seen"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process, path
        finally:
            process.kill()


def named(process: subprocess.Popen[str]) -> dict[str, JsonValue]:
    stat = process_stat(process.pid)
    assert stat is not None
    return {"pid": stat.pid, "started_at": stat.started_at}


def action(bench: Bench, kind: type[Terminate | Signal] = Terminate, rules: ProcessRules = RULES) -> Action:
    return ProcessExecutor(replace(bench.workplace, processes=rules)).actions[kind.spec.name]


def test_a_holder_is_ended_and_gone(bench: Bench) -> None:
    with holder(bench) as (process, path):
        name = named(process)
        terminate = action(bench)
        parameters = terminate.spec.parameters.model_validate({"process": name, "holds": str(path)})
        assert terminate.probe(parameters, None) is Applied.NO
        outcome = terminate.apply(parameters, KeptJournal(bench.vault))
        assert (outcome.state, outcome.output["by"]) == (StepState.DONE, "SIGTERM")
        assert not is_alive(process.pid, int(str(name["started_at"])))
        assert terminate.probe(parameters, None) is Applied.YES


def test_a_stubborn_holder_is_ended_by_force_after_the_patience(bench: Bench) -> None:
    with holder(bench, "stubborn") as (process, path):
        terminate = action(bench)
        given: dict[str, JsonValue] = {"process": named(process), "holds": str(path), "patience": "200ms"}
        outcome = terminate.apply(terminate.spec.parameters.model_validate(given), KeptJournal(bench.vault))
        assert (outcome.state, outcome.output["by"]) == (StepState.DONE, "SIGKILL")


def test_another_process_under_the_same_pid_is_spared(bench: Bench) -> None:
    with holder(bench) as (process, path):
        name = named(process) | {"started_at": 1}
        terminate = action(bench)
        parameters = terminate.spec.parameters.model_validate({"process": name, "holds": str(path)})
        assert terminate.apply(parameters, KeptJournal(bench.vault)).state is StepState.FAILED
        assert process.poll() is None


def test_a_process_that_no_longer_holds_the_lock_is_spared(bench: Bench) -> None:
    with holder(bench) as (process, _):
        terminate = action(bench)
        given: dict[str, JsonValue] = {"process": named(process), "holds": str(bench.world / "other")}
        outcome = terminate.apply(terminate.spec.parameters.model_validate(given), KeptJournal(bench.vault))
        assert outcome.state is StepState.REFUSED
        assert "not-tied" in outcome.why
        assert process.poll() is None


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid()], ids=["itself", "parent"])
def test_grace_and_its_ancestors_are_never_touched(bench: Bench, pid: int) -> None:
    stat = process_stat(pid)
    assert stat is not None
    terminate = action(bench)
    given: dict[str, JsonValue] = {"process": {"pid": pid, "started_at": stat.started_at}, "holds": "/nowhere"}
    refusal = terminate.predict(terminate.spec.parameters.model_validate(given))
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "protected"


def test_the_main_process_of_a_service_is_signalled_but_never_ended(bench: Bench) -> None:
    with holder(bench) as (process, path):
        rules = ProcessRules(main_pids=lambda: frozenset({process.pid}), allow_as_root=True)
        given: dict[str, JsonValue] = {"process": named(process), "holds": str(path)}
        terminate = action(bench, rules=rules)
        refused = terminate.predict(terminate.spec.parameters.model_validate(given))
        assert isinstance(refused, Refusal)
        hang_up = action(bench, Signal, rules)
        assert not isinstance(
            hang_up.predict(hang_up.spec.parameters.model_validate(given | {"signal": "HUP"})), Refusal
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets this rule")
def test_root_ends_nothing_unless_allowed(bench: Bench) -> None:
    with holder(bench) as (process, path):
        terminate = action(bench, rules=ProcessRules())
        parameters = terminate.spec.parameters.model_validate({"process": named(process), "holds": str(path)})
        refusal = terminate.predict(parameters)
        assert isinstance(refusal, Refusal)
        assert refusal.rule == "root"


def test_a_signal_is_sent_once_and_an_interrupted_one_is_not_repeated(bench: Bench) -> None:
    with holder(bench) as (process, path):
        hang_up = action(bench, Signal)
        given: dict[str, JsonValue] = {"process": named(process), "holds": str(path), "signal": "HUP"}
        parameters = hang_up.spec.parameters.model_validate(given)
        journal = KeptJournal(bench.vault)
        assert hang_up.probe(parameters, None) is Applied.NO
        assert hang_up.apply(parameters, journal).state is StepState.DONE
        assert hang_up.probe(parameters, journal.handle) is Applied.UNKNOWN
        again = hang_up.spec.parameters.model_validate(given | {"harmless_twice": True})
        assert hang_up.probe(again, journal.handle) is Applied.NO


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"process": {"pid": 1, "started_at": 3}, "holds": "/a"},
        {"process": {"pid": 7, "started_at": 3}},
        {"process": {"pid": 7, "started_at": 3}, "holds": "relative"},
        {"process": {"pid": 7, "started_at": 3}, "holds": "/a", "patience": "2h"},
        {"process": {"pid": 7, "started_at": 3}, "holds": "/a", "force": True},
    ],
)
def test_parameters_out_of_bounds_are_refused(given: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        Terminate.spec.parameters.model_validate(given)
