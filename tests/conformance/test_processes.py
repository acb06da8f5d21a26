"""Two hundred deeds on real processes: each reaches the process it names once, and never one that others changed.

There is no way back from ending a process, and none from a signal but another one: both say so, so what can be held is
that a deed touches exactly the process that was found, and that nothing is sent once its tie to the service is gone.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import pytest

from grace.act.executors import Applied
from grace.kit.procfs import is_alive, process_stat
from grace.model.execution import Outcome, StepState
from grace.model.plan import Reversibility
from tests.act.workbench import Bench
from tests.conformance.hands import RULES, found_actions
from tests.conformance.seeds import in_parts

SIGNALS: Final = ("HUP", "USR1", "USR2")
ZOO: Final = """
import fcntl, os, signal, socket, sys
def live(folder):
    name = f"{folder}/{os.getpid()}"
    lock = open(f"{name}.lock", "a")
    seen = dict.fromkeys(("HUP", "USR1", "USR2"), 0)
    numbers = {getattr(signal, f"SIG{name}"): name for name in seen}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*numbers, signal.SIGALRM, signal.SIGWINCH})
    fcntl.lockf(lock, fcntl.LOCK_EX)
    listener = socket.create_server(("127.0.0.1", 0))
    with open(f"{name}.pid", "w") as file: file.write(str(os.getpid()))
    with open(f"{name}.ready", "w") as file: file.write(str(listener.getsockname()[1]))
    while True:
        number = signal.sigwait({*numbers, signal.SIGALRM, signal.SIGWINCH})
        if number == signal.SIGALRM:  # let go of everything
            lock.close(); listener.close()
            open(f"{name}.done", "w").close()
        elif number == signal.SIGWINCH:  # tell what came
            with open(f"{name}.told", "w") as file: file.write(" ".join(map(str, seen.values())))
            os.rename(f"{name}.told", f"{name}.seen")
        else:
            seen[numbers[number]] += 1
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        live(line.rstrip("\\n"))
    print(pid, flush=True)
"""
"""Forks a process for each line: it locks a file, listens, writes its pid, and counts what it is sent."""


@pytest.fixture(scope="module")
def bench(ground: Path) -> Iterator[Bench]:
    made = Bench(ground, rules=RULES)
    yield made
    made.close()


@dataclass(frozen=True)
class Animal:
    """One process of the zoo."""

    folder: Path
    pid: int
    started_at: int

    def file(self, what: str) -> Path:
        return self.folder / f"{self.pid}.{what}"

    @property
    def name(self) -> dict[str, int]:
        return {"pid": self.pid, "started_at": self.started_at}

    @property
    def is_alive(self) -> bool:
        return is_alive(self.pid, self.started_at)

    def tie(self, kind: str) -> dict[str, Any]:
        return {
            "holds": {"holds": str(self.file("lock"))},
            "listens": {"listens": int(self.file("ready").read_text())},
            "pid_file": {"pid_file": str(self.file("pid"))},
        }[kind]

    def seen(self) -> tuple[int, ...]:
        """Return how often each signal came; signals of other numbers that were sent before are in by then."""
        os.kill(self.pid, signal.SIGWINCH)
        return tuple(map(int, _awaited(self.file("seen")).split()))

    def lets_go(self) -> None:
        """Close its lock and its port."""
        os.kill(self.pid, signal.SIGALRM)
        _awaited(self.file("done"))


def _awaited(file: Path) -> str:
    """Read a file that another process is about to write; the time limit of the test bounds the wait."""
    while not file.exists():
        os.sched_yield()
    text = file.read_text()
    file.unlink()
    return text


class Zoo:
    """Has processes made quickly, and ends them."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._pids: list[int] = []

    def animal(self) -> Animal:
        into, said = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        into.write(f"{self._folder}\n")
        into.flush()
        pid = int(said.readline())
        self._pids.append(pid)
        ready = self._folder / f"{pid}.ready"
        while not ready.exists() or not ready.read_text():
            os.sched_yield()
        stat = process_stat(pid)
        assert stat is not None
        return Animal(self._folder, pid, stat.started_at)

    def close(self) -> None:
        for pid in self._pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    command = [sys.executable, "-S", "-c", ZOO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        made = Zoo(process, tmp_path)
        yield made
        made.close()
        cast("IO[str]", process.stdin).close()


def act(bench: Bench, uses: str, **parameters: object) -> tuple[Outcome, Applied]:
    """Do it, and ask the probe afterwards, as after a crash that lost the answer."""
    action, journal = found_actions(bench)[uses], bench.journal()
    given = action.spec.parameters.model_validate(parameters)
    return action.apply(given, journal), action.probe(given, journal.handle)


def test_neither_claims_a_way_back_that_it_has_not(bench: Bench) -> None:
    actions = found_actions(bench)
    assert actions["process.terminate"].spec.reversibility is Reversibility.IRREVERSIBLE
    assert actions["process.signal"].spec.reversibility is Reversibility.COMPENSABLE
    assert {actions[f"process.{verb}"].spec.provider for verb in ("terminate", "signal")} == {None}


@pytest.mark.parametrize("seeds", in_parts(few=6, part=50))
def test_a_signal_and_its_undo_each_reach_the_process_once(bench: Bench, zoo: Zoo, seeds: range) -> None:
    one, other = zoo.animal(), zoo.animal()
    sent = [0, 0, 0]
    for seed in seeds:
        chance = random.Random(f"signal {seed}")
        tie = one.tie(chance.choice(["holds", "listens", "pid_file"]))
        twice = chance.random() < 0.5
        for name in chance.sample(SIGNALS, 2):
            outcome, applied = act(bench, "process.signal", process=one.name, signal=name, harmless_twice=twice, **tie)
            assert outcome.state is StepState.DONE, (seed, outcome)
            assert applied is (Applied.NO if twice else Applied.UNKNOWN), seed
            sent[SIGNALS.index(name)] += 1
            # One at a time, as deeds on one target are: the kernel keeps a pending signal only once.
            assert one.seen() == tuple(sent), seed
    assert other.seen() == (0, 0, 0)


@pytest.mark.parametrize("seeds", in_parts(few=6, part=50))
def test_a_process_is_ended_and_no_other(bench: Bench, zoo: Zoo, seeds: range) -> None:
    spared = zoo.animal()
    for seed in seeds:
        chance = random.Random(f"terminate {seed}")
        one = zoo.animal()
        tie = one.tie(chance.choice(["holds", "listens"]))
        outcome, applied = act(bench, "process.terminate", process=one.name, patience="5s", **tie)
        assert (outcome.state, applied) == (StepState.DONE, Applied.YES), (seed, outcome)
        assert not one.is_alive, seed
        again, _ = act(bench, "process.terminate", process=one.name, patience="5s", **tie)
        assert again.state is StepState.FAILED, (seed, again)
    assert spared.is_alive
    assert spared.seen() == (0, 0, 0)


@pytest.mark.parametrize("verb", ["terminate", "signal"])
@pytest.mark.parametrize("seeds", in_parts(few=6, part=50))
def test_a_process_that_others_changed_is_spared(bench: Bench, zoo: Zoo, verb: str, seeds: range) -> None:
    one, other, idle = zoo.animal(), zoo.animal(), zoo.animal()
    idle.lets_go()
    more: dict[str, str] = {"patience": "1s"} if verb == "terminate" else {"signal": "HUP"}
    for seed in seeds:
        chance = random.Random(f"{verb} {seed}")
        kind = chance.choice(["holds", "listens"] if verb == "terminate" else ["holds", "listens", "pid_file"])
        match chance.randint(0, 3):
            case 0:  # It let go, or its pid file tells of another by now.
                name, tie = idle.name, idle.tie(kind)
                idle.file("pid").write_text(chance.choice([str(one.pid), "", "nonsense", str(idle.pid) + "0"]))
            case 1:  # Somebody else holds it now.
                name, tie = one.name, other.tie(kind)
            case 2:  # The pid was given to another process.
                name, tie = {**one.name, "started_at": one.started_at + chance.choice([-1, 1, 500])}, one.tie(kind)
            case _:  # One tie still holds, the other does not.
                name, tie = one.name, {**one.tie("holds"), **other.tie("listens")}
        outcome, _ = act(bench, f"process.{verb}", process=name, **tie, **more)
        assert outcome.state in {StepState.REFUSED, StepState.FAILED}, (seed, outcome)
        assert all(animal.is_alive for animal in (one, other, idle)), seed
    for animal in (one, other, idle):
        assert animal.seen() == (0, 0, 0)
