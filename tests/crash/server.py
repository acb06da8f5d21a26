"""The fork server behind the crash matrix: everything is imported once, every life is a fork that may be killed."""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, cast

from grace.kit.procfs import all_pids, process_stat
from grace.wiring import open_house
from tests.crash.lives import LIMIT_S, Acknowledged, Cut, Tell, Told, live, repeat_without_asking, settings_of
from tests.crash.oracle import require_all
from tests.crash.scenarios import SCENARIOS, services_of, write_rules
from tests.crash.worlds import Files, World, has_one_thread, wait_until

ENDED_S: Final = 30.0
"""By when everything that a dead GRACE had started must be gone."""
_LIFE_S: Final = 2 * LIMIT_S
_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(frozen=True, slots=True)
class Case:
    """Where GRACE is killed, life by life; the last life is left alone."""

    scenario: str
    cuts: tuple[Cut, ...] = ()
    engine_is_lost: bool = False
    """The durable engine's file is removed before each restart."""
    is_flawed: bool = False
    """Every life repeats without asking: the control that must be found out."""

    def __str__(self) -> str:
        where = ", then ".join(f"{cut.name}:{cut.nth}" for cut in self.cuts) or "nowhere"
        return f"{self.scenario} cut at {where}" + (" and the engine lost" if self.engine_is_lost else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """How one case went."""

    killed: int
    """How many of its cuts were reached."""
    settled: str
    passed: list[str]
    failure: str | None


@dataclass(slots=True)
class _Ended:
    """How a forked child ended, and what it had told until then."""

    lines: list[dict[str, Told]]
    exit_code: int
    in_time: bool

    @property
    def was_killed(self) -> bool:
        return self.in_time and self.exit_code == -signal.SIGKILL

    def require(self) -> None:
        for line in self.lines:
            assert "failure" not in line, line["failure"]
        assert self.in_time, f"no end in {_LIFE_S:g} s"
        assert self.exit_code in {0, -signal.SIGKILL}, f"ended with {self.exit_code}"


@dataclass(slots=True)
class Server:
    """Runs cases one after the other below one folder."""

    folder: Path
    _count: int = field(default=0)

    @property
    def _rules(self) -> Path:
        return self.folder / "rules"

    @property
    def _template(self) -> Path:
        return self.folder / "template"

    def warm_up(self) -> None:
        """Make a data folder that each case begins with, and live one life here: whatever it warmed, forks inherit."""
        write_rules(self._rules)
        self._template.mkdir()
        world = Files(self._template / "world")
        (self._template / "grace.yaml").write_text(services_of(world))
        _in_a_child(lambda _: open_house(settings_of(self._rules, self._template)).close()).require()
        folder = self.folder / "warm-up"
        shutil.copytree(self._template, folder)
        settings = settings_of(self._rules, folder)
        live(settings, "files", world.labels, Cut("nowhere", 1), Acknowledged(), lambda _what, _told: None)
        wait_until(has_one_thread, "the end of every other thread, without which nothing can be forked,", ENDED_S)

    def run(self, case: Case) -> Answer:
        """Prepare a world, live the lives, hold the end to the oracle, leave nothing behind."""
        self._count += 1
        folder = self.folder / f"case-{self._count}"
        shutil.copytree(self._template / "data", folder / "data")
        world = SCENARIOS[case.scenario].world(folder / "world")
        try:
            return self._judged(case, folder, world)
        finally:
            world.close()
            shutil.rmtree(folder)

    def _judged(self, case: Case, folder: Path, world: World) -> Answer:
        known = Acknowledged()
        lives: list[_Ended] = []
        try:
            (folder / "grace.yaml").write_text(services_of(world))
            witnesses: list[Path] = []
            for cut in (*case.cuts, None):
                lives.append(self._live(case, folder, world, cut, known))
                lives[-1].require()
                known.take(lives[-1].lines)
                witnesses.append(_witness_kept(folder, len(lives)))
                if cut is not None and not lives[-1].was_killed:
                    break
                if case.engine_is_lost:
                    _lose_engine(folder / "data")
                world.disturb()
            self._require_no_orphan(world)
            checked = _in_a_child(lambda tell: self._check(case, folder, world, witnesses, known, tell))
            checked.require()
        except AssertionError:
            return Answer(_killed(lives), "", [], traceback.format_exc())
        settled = str(checked.lines[-1]["settled"])
        return Answer(_killed(lives), settled, _passed(lives[-1]), None)

    def _live(self, case: Case, folder: Path, world: World, cut: Cut | None, known: Acknowledged) -> _Ended:
        settings = settings_of(self._rules, folder)

        def work(tell: Tell) -> None:
            if case.is_flawed:
                repeat_without_asking()
            live(settings, case.scenario, world.labels, cut, known, tell)

        return _in_a_child(work)

    def _check(
        self, case: Case, folder: Path, world: World, witnesses: list[Path], known: Acknowledged, tell: Tell
    ) -> None:
        tell("settled", require_all(folder, SCENARIOS[case.scenario], world, witnesses, known))

    def _require_no_orphan(self, world: World) -> None:
        wait_until(lambda: not _orphans(world), f"the end of {_orphans(world)}, which GRACE had started,", ENDED_S)


def _witness_kept(folder: Path, number: int) -> Path:
    kept = folder / f"witness-{number}"
    shutil.copyfile(folder / "data" / "ledger.checkpoints", kept)
    return kept


def _lose_engine(data: Path) -> None:
    for file in data.glob("engine.db*"):
        file.unlink()


def _killed(lives: list[_Ended]) -> int:
    return sum(life.was_killed for life in lives)


def _passed(life: _Ended) -> list[str]:
    told = [cast("list[str]", line["passed"]) for line in life.lines if "passed" in line]
    return told[-1] if told else []


def _orphans(world: World) -> list[int]:
    """Return what lives below this process and does not belong to the world; bury the dead."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        stat = process_stat(pid)
        if stat is not None:
            children.setdefault(stat.parent, []).append(pid)
    below = [os.getpid()]
    for pid in below:
        below.extend(child for child in children.get(pid, ()) if child not in world.pids)
    return [pid for pid in below[1:] if not _bury(pid)]


def _bury(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _in_a_child(work: Callable[[Tell], None]) -> _Ended:
    """Do the work in a fork; the fork is killed when it takes far too long."""
    hearing, saying = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hearing)
        _work_and_exit(work, saying)
    os.close(saying)
    told, in_time = _read_until(hearing, time.monotonic() + _LIFE_S)
    os.close(hearing)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    whole = told[: told.rfind(b"\n") + 1]
    return _Ended([json.loads(line) for line in whole.splitlines()], os.waitstatus_to_exitcode(status), in_time)


def _work_and_exit(work: Callable[[Tell], None], pipe: int) -> None:
    def tell(what: str, told: Told) -> None:
        os.write(pipe, json.dumps({what: told}).encode() + b"\n")

    try:
        work(tell)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the traceback is the result of a failed case
        tell("failure", traceback.format_exc())
        os._exit(1)


def _read_until(pipe: int, deadline: float) -> tuple[bytes, bool]:
    told = b""
    while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        block = os.read(pipe, 1 << 16)
        if not block:
            return told, True
        told += block
    return told, False


def read_case(line: str) -> Case:
    """Read a case from its JSON."""
    document = json.loads(line)
    cuts = tuple(Cut(**cut) for cut in document["cuts"])
    return Case(document["scenario"], cuts, document["engine_is_lost"], document["is_flawed"])


def main() -> None:
    """Answer each case line with one line."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a life prints must not look like an answer
    server = Server(Path(sys.argv[1]))
    server.warm_up()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        answers.write(json.dumps(asdict(server.run(read_case(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
