"""Many power cuts of one workload, each checked afterwards: `assert_survived`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final, Self, TypeAlias

from tests.powercut import Directories

Acked: TypeAlias = str | int
"""What a workload acknowledged: from then on it must survive."""
Ack: TypeAlias = Callable[[Acked], None]
Prepare: TypeAlias = Callable[[Path], None]
Workload: TypeAlias = Callable[[Path, Ack], None]
Check: TypeAlias = Callable[[Path, list[Acked]], None]

ROOT: Final = Path(__file__).resolve().parents[2]
SHOWN_FAILURES: Final = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One cut: the seed decides what survives; `cut_at` is the last tracked operation (past the end: at the end)."""

    seed: int
    cut_at: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one case acknowledged before the cut, and how its workload or its check failed, if either did."""

    case: Case
    acked: tuple[Acked, ...]
    failure: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the fork server says about one case; an armed case that was cut by count knows no `operations`."""

    acked: list[Acked]
    operations: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What the fork server is asked to run; functions are named `module:qualname`."""

    folder: str
    workload: str
    check: str
    prepare: str | None
    warm_up: str | None
    directories: int
    timeout_s: float


def assert_survived(
    shim: Path,
    folder: Path,
    workload: Workload,
    check: Check,
    *,
    prepare: Prepare | None = None,
    warm_up: Prepare | None = None,
    cases: int = 300,
    seed: int = 0,
    only: Sequence[Case] = (),
    directories: Directories = Directories.JOURNALED,
    timeout_s: float = 30,
) -> list[Outcome]:
    """Cut the power `cases` times and raise AssertionError naming the seeds of the cases that `check` refused.

    Each case runs in a process of its own: `prepare(case folder)` with power, `workload(case folder, ack)` until the
    cut, `check(case folder, acked)` with power again. All three must be functions at the top of an importable module.
    `warm_up(folder)` runs once in the process that forks for each case: what it imports, the cases need not. It must
    end every thread that it starts. `only` replays given cases instead.
    """
    outcomes = observe_cases(
        shim,
        folder,
        workload,
        check,
        prepare=prepare,
        warm_up=warm_up,
        cases=cases,
        seed=seed,
        only=only,
        directories=directories,
        timeout_s=timeout_s,
    )
    failures = [outcome for outcome in outcomes if outcome.failure is not None]
    if failures:
        raise AssertionError(_told(failures, len(outcomes)))
    return outcomes


def observe_cases(
    shim: Path,
    folder: Path,
    workload: Workload,
    check: Check,
    *,
    prepare: Prepare | None = None,
    warm_up: Prepare | None = None,
    cases: int = 300,
    seed: int = 0,
    only: Sequence[Case] = (),
    directories: Directories = Directories.JOURNALED,
    timeout_s: float = 30,
) -> list[Outcome]:
    """Do the same and return every outcome, failed or not."""
    request = Request(
        folder=str(folder),
        workload=_name(workload),
        check=_name(check),
        prepare=_name(prepare) if prepare else None,
        warm_up=_name(warm_up) if warm_up else None,
        directories=directories,
        timeout_s=timeout_s,
    )
    with _ForkServer(shim, request) as server:
        chosen = list(only) or _choose(server.count_operations(), cases, seed)
        return [server.run(case) for case in chosen]


def _choose(operations: int, cases: int, seed: int) -> list[Case]:
    print(f"power cuts: seed={seed} cases={cases} operations={operations}")  # noqa: T201 - pytest shows it with a failure
    random = Random(seed)
    return [Case(seed=random.getrandbits(63), cut_at=random.randint(1, operations + 1)) for _ in range(cases)]


def _name(function: Callable[..., None]) -> str:
    if "<locals>" in function.__qualname__:
        message = f"{function.__qualname__} must stand at the top of its module, where another process can find it"
        raise ValueError(message)
    return f"{function.__module__}:{function.__qualname__}"


def _told(failures: list[Outcome], total: int) -> str:
    cases = "\n".join(f"  {outcome.case}" for outcome in failures)
    stories = "\n".join(f"{outcome.case}:\n{outcome.failure}" for outcome in failures[:SHOWN_FAILURES])
    return f"{len(failures)} of {total} power cuts were not survived; replay with only=[...]:\n{cases}\n{stories}"


class _ForkServer:
    """A warmed-up interpreter with the library loaded, which forks for every case."""

    def __init__(self, shim: Path, request: Request) -> None:
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.powercut.server", json.dumps(asdict(request))],
            env={**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def count_operations(self) -> int:
        answer = self._ask(Case(seed=0, cut_at=0))
        if answer.failure is not None:
            message = f"the workload does not even run with power:\n{answer.failure}"
            raise AssertionError(message)
        return answer.operations

    def run(self, case: Case) -> Outcome:
        answer = self._ask(case)
        return Outcome(case=case, acked=tuple(answer.acked), failure=answer.failure)

    def _ask(self, case: Case) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            message = f"the fork server ended (exit code {self._process.wait()}); its stderr says why"
            raise RuntimeError(message)
        return Answer(**json.loads(line))
