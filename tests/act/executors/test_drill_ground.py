"""A drill touches what GRACE made for it and nothing else, whatever its plan says."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from grace.act.executors.drill_ground import NOTHING_MADE, DrillGround
from grace.kit.procfs import process_stat
from grace.model.plan import Plan
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import HOST

WAITING = "import sys; print(1, flush=True); sys.stdin.read()"
LISTENING = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""
DETACHED = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-S", "-c", sys.argv[1]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
"""
LASTING = "import time; print(1, flush=True); time.sleep(60)"
LASTING_LISTENER = LISTENING.replace("sys.stdin.read()", "import time; time.sleep(60)")


DRILL = Plan.model_construct(environment="drill")
PRODUCTION = Plan.model_construct(environment="production")


@dataclass(frozen=True)
class Place:
    """A folder that GRACE made, programs that it ships, and a folder of somebody else."""

    made: Path
    shipped: Path
    foreign: Path
    ground: DrillGround

    def refuses(
        self, uses: str, *targets: tuple[str, str], plan: Plan = DRILL, **parameters: JsonValue
    ) -> Refusal | None:
        named = [Target(kind=kind, host=HOST, id=identity) for kind, identity in targets]
        return self.ground.refuses_deed(plan, uses, parameters, named)

    def runs(self, *argv: str, **parameters: JsonValue) -> Refusal | None:
        given: dict[str, JsonValue] = {"argv": list(argv), "cwd": str(self.made), **parameters}
        target = Target(kind="command", host=HOST, id="orders:ranking")
        return self.ground.refuses_deed(DRILL, "command.run", given, [target])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made, shipped, foreign = (tmp_path / name for name in ("made", "shipped", "foreign"))
    for folder in (made, shipped, foreign):
        folder.mkdir()
        (folder / "script.py").touch()
    (made / "way-out").symlink_to(foreign)
    return Place(made, shipped, foreign, DrillGround((made,), (shipped,)))


@pytest.fixture
def stranger() -> Iterator[Any]:
    """Return a function that starts a process which neither descends from here nor works in the drill."""
    pids: list[int] = []

    def start(program: str, cwd: Path) -> tuple[int, str]:
        command = [sys.executable, "-S", "-c", DETACHED, program]
        told = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        pids.append(int(told[0]))
        return pids[-1], told[1]

    yield start
    for pid in pids:
        subprocess.run(["kill", "-9", str(pid)], check=False)


def identity(pid: int) -> str:
    stat = process_stat(pid)
    assert stat is not None
    return f"{pid}@{stat.started_at}"


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_files_and_databases_lie_in_folders_that_grace_made(place: Place, kind: str) -> None:
    assert place.refuses(f"{kind}.any", (kind, str(place.made / "new"))) is None
    for outside in (
        place.foreign / "new",
        place.shipped / "script.py",
        place.made / "way-out" / "new",
        place.made / "..",
    ):
        refusal = place.refuses(f"{kind}.any", (kind, str(outside)))
        assert refusal is not None
        assert refusal.rule == "drill"


def test_a_link_elsewhere_is_outside_even_where_it_leads_into_the_drill(place: Place) -> None:
    (place.foreign / "way-in").symlink_to(place.made / "new")
    assert place.refuses("file.remove", ("file", str(place.foreign / "way-in"))) is not None
    assert place.refuses("file.any", ("file", str(place.made))) is None


def test_other_environments_are_not_confined_here(place: Place) -> None:
    assert place.refuses("file.write", ("file", "/etc/passwd"), plan=PRODUCTION) is None
    assert place.refuses("docker.restart", ("container", "db"), plan=PRODUCTION) is None


@pytest.mark.parametrize("verb", ["terminate", "signal"])
def test_a_process_that_grace_started_may_be_touched_and_a_stranger_may_not(
    place: Place, stranger: Any, verb: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert place.refuses(f"process.{verb}", ("process", identity(child.pid))) is None
        assert place.refuses(f"process.{verb}", ("process", f"{child.pid}@1")) is not None, "another start time"
        child.communicate()
    foreign, _ = stranger(LASTING, place.foreign)
    refusal = place.refuses(f"process.{verb}", ("process", identity(foreign)))
    assert refusal is not None
    assert "neither started by GRACE" in refusal.why
    inside, _ = stranger(LASTING, place.made)
    assert place.refuses(f"process.{verb}", ("process", identity(inside))) is None
    assert place.refuses(f"process.{verb}", ("process", "1@0")) is not None


def test_a_port_counts_when_a_process_of_the_drill_listens_on_it(place: Place, stranger: Any) -> None:
    _, port = stranger(LASTING_LISTENER, place.made)
    for host in ("127.0.0.1", "localhost"):
        assert place.refuses("http.request", ("http", f"{host}:{port}/flag")) is None
    for elsewhere in (f"192.0.2.1:{port}/", f"example.org:{port}/", f"0.0.0.0:{port}/", f"[2001:db8::1]:{port}/"):
        assert place.refuses("http.request", ("http", elsewhere)) is not None
    _, foreign = stranger(LASTING_LISTENER, place.foreign)
    assert place.refuses("http.request", ("http", f"127.0.0.1:{foreign}/")) is not None
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        free = closed.getsockname()[1]
    assert place.refuses("http.request", ("http", f"[::1]:{free}/")) is not None, "nobody listens"


def good(place: Place) -> Sequence[tuple[str, ...]]:
    return (
        ("true",),
        ("/usr/bin/rm", "-f", f"{place.made}/ranking.json"),
        ("rm", "-f", "ranking.json"),
        (str(place.shipped / "script.py"), str(place.made), "60"),
        (sys.executable, "-I", str(place.shipped / "script.py"), str(place.made)),
    )


def bad(place: Place) -> Sequence[tuple[str, ...]]:
    return (
        (),
        ("sh", "-c", "true"),
        ("/bin/sh", str(place.made / "script.py")),
        ("find", str(place.made), "-delete"),
        ("rm", "-rf", str(place.foreign)),
        ("rm", "-rf", ".."),
        ("rm", "-rf", "way-out/script.py"),
        ("cp", f"--target-directory={place.foreign}", "script.py"),
        ("mv", "script.py", "/etc/cron.d/x"),
        (sys.executable, "-c", "import os"),
        (sys.executable, "-I", "-c", "import os"),
        (sys.executable, "-m", "http.server"),
        (sys.executable, str(place.foreign / "script.py")),
        (sys.executable,),
        (str(place.foreign / "script.py"),),
        (str(place.made / "script.py"),),
        (sys.executable, "-I", str(place.made / "script.py")),
        (str(place.made / "way-out" / "script.py"),),
        ("script.py",),
    )


@pytest.mark.parametrize("number", range(5))
def test_a_plain_tool_or_a_program_of_graces_own_may_run_in_the_drill(place: Place, number: int) -> None:
    argv = good(place)[number]
    assert place.runs(*argv) is None, argv
    assert place.runs(*argv, cwd="/") is not None
    assert place.runs(*argv, cwd=str(place.foreign)) is not None
    assert place.runs(*argv, variables={"TARGET": "/etc"}) is not None
    assert place.runs(*argv, environment=["HOME"]) is not None


@pytest.mark.parametrize("number", range(19))
def test_a_command_that_may_lead_out_of_the_drill_is_refused(place: Place, number: int) -> None:
    assert place.runs(*bad(place)[number]) is not None, bad(place)[number]


@pytest.mark.parametrize("uses", ["docker.restart", "cache.flush", "kubernetes.scale"])
def test_what_nobody_can_confine_is_refused(place: Place, uses: str) -> None:
    assert place.refuses(uses) is not None
    assert place.refuses("file.write", ("container", "db")) is not None


def test_a_house_that_made_nothing_drills_nothing(place: Place) -> None:
    target = Target(kind="file", host=HOST, id=str(place.made / "new"))
    assert NOTHING_MADE.refuses_deed(DRILL, "file.write", {}, [target]) is not None
