"""What every probe must do, ours and theirs: only read, answer in its type, be blind rather than fail."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, assert_never

import psutil
import pytest
from pydantic import JsonValue, ValidationError

from grace.act.verification.measuring import InThreads
from grace.kit.clock import SystemClock
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.reading import Known, Unknown
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from tests.conformance.collector_cases import CASES, World
from tests.sense.collectors.conftest import holding, make_database, running

PAGE = b'{"pool": {"size": 5}}'

SERVER = f"""
import itertools
from http.server import BaseHTTPRequestHandler, HTTPServer
from tests.conformance.collector_cases import metrics_page

scrapes = itertools.count(1)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = metrics_page(next(scrapes)) if self.path == "/metrics" else {PAGE!r}
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
print("ready", flush=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
"""In a process of its own, so that its sockets are not counted among ours."""


def _names() -> list[str]:
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as eyes:
        return sorted(eyes.specs)


NAMES = _names()
every_probe = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as found:
        yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "a.json").write_bytes(PAGE)
    with ExitStack() as stack:
        server = stack.enter_context(running(SERVER))
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with socket.create_server(("127.0.0.1", 0)) as closed:
            closed_port = closed.getsockname()[1]
        database, locked = make_database(folder / "orders.db"), make_database(folder / "locked.db", "delete")
        child = stack.enter_context(running(holding(locked)))
        (folder / "child.pid").write_text(str(child.pid))
        url = f"http://127.0.0.1:{port}"
        yield World(
            folder=folder,
            database=database,
            locked=locked,
            url=url,
            metrics_url=f"{url}/metrics",
            port=port,
            closed_url=f"http://127.0.0.1:{closed_port}",
            closed_port=closed_port,
            child=child.pid,
        )


def answer(eyes: Eyes, world: World, name: str) -> Known | Unknown:
    """Read a probe that is aimed at something real."""
    case = CASES[name]
    meter = eyes.aim(name, case.real(world))
    for _ in range(case.settles):
        meter.read()
    return meter.read()


def tree(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def listening() -> set[tuple[str, int]]:
    found = psutil.Process().net_connections(kind="inet")
    return {(item.laddr.ip, item.laddr.port) for item in found if item.status == psutil.CONN_LISTEN}


def has_type(value: JsonValue, answers: Answers) -> bool:
    match answers:
        case Answers.BOOLEAN:
            return isinstance(value, bool)
        case Answers.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Answers.TEXT:
            return isinstance(value, str)
        case Answers.OBJECT:
            return isinstance(value, dict)
        case Answers.LIST:
            return isinstance(value, list)
        case Answers.ANYTHING:
            return True
        case _:
            assert_never(answers)


def spec_of(eyes: Eyes, name: str) -> ProbeSpec:
    return eyes.specs[name]


def test_every_probe_has_its_case_and_every_case_its_probe() -> None:
    assert set(NAMES) == set(CASES)


@every_probe
def test_a_probe_says_what_it_is(eyes: Eyes, name: str) -> None:
    spec = spec_of(eyes, name)
    assert spec.name == name
    assert spec.summary.endswith(".")
    assert (spec.shape is not None) <= (spec.answers is Answers.OBJECT)
    if spec.shape is not None:
        assert set(spec.identity) <= set(spec.shape.model_fields)


@every_probe
def test_an_answer_has_the_declared_type_and_shape(eyes: Eyes, world: World, name: str) -> None:
    found = answer(eyes, world, name)
    assert isinstance(found, Known), found
    spec = spec_of(eyes, name)
    assert has_type(found.value, spec.answers)
    if spec.shape is not None:
        spec.shape.model_validate(found.value, strict=True)


@every_probe
def test_nothing_there_is_unknown_with_a_reason_and_no_exception(eyes: Eyes, world: World, name: str) -> None:
    case = CASES[name]
    found = eyes.aim(name, case.nothing(world)).read()
    if case.absence_is_known:
        assert found == Known(value=False)
    else:
        assert isinstance(found, Unknown)
        assert found.why


@every_probe
def test_unknown_keys_are_refused(eyes: Eyes, world: World, name: str) -> None:
    parameters: dict[str, Any] = {**CASES[name].real(world), "no_such_key": 1}
    with pytest.raises(ValidationError, match="no_such_key"):
        spec_of(eyes, name).parameters.model_validate(parameters)
    assert isinstance(eyes.aim(name, parameters).read(), Unknown)


@every_probe
def test_parameters_are_frozen(eyes: Eyes, world: World, name: str) -> None:
    made = spec_of(eyes, name).parameters.model_validate(CASES[name].real(world))
    assert made.model_config.get("frozen")


@every_probe
def test_parameters_of_another_probe_are_a_type_error(eyes: Eyes, name: str) -> None:
    class Foreign(spec_of(eyes, "host.load_per_core").parameters.__base__):  # type: ignore[name-defined, misc]
        pass

    with pytest.raises(TypeError, match=name):
        eyes.probes[name].aim(Foreign())


@every_probe
def test_reading_changes_no_file_and_opens_no_door(eyes: Eyes, world: World, name: str) -> None:
    before = tree(world.folder), listening()
    answer(eyes, world, name)
    assert (tree(world.folder), listening()) == before


@every_probe
def test_reading_leaves_no_descriptor_open(eyes: Eyes, world: World, name: str) -> None:
    answer(eyes, world, name)
    eyes.aim(name, CASES[name].nothing(world)).read()
    before = descriptors()
    for _ in range(3):
        answer(eyes, world, name)
        eyes.aim(name, CASES[name].nothing(world)).read()
    assert descriptors() == before


@every_probe
def test_aiming_touches_nothing(eyes: Eyes, world: World, name: str) -> None:
    touched: list[str] = []
    tape = {"on": True}

    def hear(event: str, args: tuple[object, ...]) -> None:
        if tape["on"] and event in {"open", "socket.connect", "subprocess.Popen", "os.listdir", "os.scandir"}:
            touched.append(f"{event} {args}")

    case = CASES[name].real(world)
    sys.addaudithook(hear)
    try:
        eyes.aim(name, case)
    finally:
        tape["on"] = False
    assert touched == []


@every_probe
async def test_a_read_ends_within_its_limit(eyes: Eyes, world: World, name: str) -> None:
    meter = eyes.aim(name, await asyncio.to_thread(CASES[name].real, world))
    assert 0 < meter.limit_s < 120
    found = await InThreads().start(meter)
    assert isinstance(found, Known) or "no answer within" not in found.why


def test_closing_ends_every_process_that_a_collector_started(world: World) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as eyes:
        for name in NAMES:
            answer(eyes, world, name)
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before


def test_a_page_of_the_manual_names_every_probe_and_every_parameter(eyes: Eyes) -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs" / "probes.md").read_text()
    for name, spec in eyes.specs.items():
        section = manual.partition(f"### `{name}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        assert section, f"docs/probes.md has no section for {name}"
        assert spec.summary in section, f"docs/probes.md says something else of {name}"
        for field in spec.parameters.model_fields:
            assert f"`{field}`" in section, f"docs/probes.md does not name the parameter {field!r} of {name}"


def test_the_manual_names_no_probe_that_is_not_there() -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs" / "probes.md").read_text()
    named = {line.strip("#` ") for line in manual.splitlines() if line.startswith("### `")}
    assert named == set(NAMES)
