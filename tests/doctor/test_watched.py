from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from grace.doctor.watched import Services, evidence, main_process, reading, target, unwatched
from grace.kit.clock import SystemClock
from grace.model.examination import CheckResult, Health
from grace.model.reading import Known, Unknown
from grace.model.service import AllowedTarget, Indicator, Service, ServiceBenchmark
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint

CLOCK = SystemClock()
AS_NOBODY = """
import os, sys
from grace.doctor.watched import process, target
from grace.model.service import AllowedTarget
os.setgroups([]), os.setgid(65534), os.setuid(65534)
for kind, name in zip(sys.argv[1::2], sys.argv[2::2]):
    for one in target("shop", AllowedTarget(kind=kind, id=name)):
        print(one.health.value, one.found)
print(process("service.process", "shop", os.getppid()).health.value)
"""


@dataclass(slots=True)
class Scripted:
    """A meter that answers what it was told, one after the other."""

    answers: list[Known | Unknown]
    limit_s: float = 5.0

    def read(self) -> Known | Unknown:
        return self.answers.pop(0)


@dataclass(slots=True)
class Fake:
    """Eyes with one meter."""

    meter: Scripted
    aimed: list[str] = field(default_factory=list[str])

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> Scripted:
        self.aimed.append(probe)
        return self.meter


def of(kind: str, name: str | Path, end: str = "") -> CheckResult:
    (one,) = target("shop", AllowedTarget(kind=kind, id=f"{name}{end}"))
    return one


def test_targets_that_may_be_read_and_written_are_well_and_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    file.write_text("x")
    before = (file.stat(), sorted(tmp_path.iterdir()))
    assert of("file", file).health is Health.OK
    assert of("sqlite", file).health is Health.OK
    assert of("file", tmp_path, "/").health is Health.OK
    assert (file.stat(), sorted(tmp_path.iterdir())) == before


def test_a_target_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert of("sqlite", tmp_path / "none.db").health is Health.FAILED
    assert of("file", tmp_path / "none", "/").health is Health.FAILED
    assert of("file", tmp_path / "new.yaml").health is Health.WARNING
    assert of("file", tmp_path / "no" / "new.yaml").health is Health.FAILED


def test_a_file_where_a_folder_is_meant_is_told(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("")
    assert of("file", tmp_path / "conf", "/").health is Health.FAILED


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_targets_and_processes_of_others_are_told_by_what_the_system_would_refuse() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "shop.db"
        file.write_text("x")
        file.chmod(0o644)
        child = [sys.executable, "-c", AS_NOBODY, "file", str(file), "file", f"{folder}/"]
        said = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert said[0].startswith(f"failed user 65534 may not write {file}; it belongs to user 0")
    assert said[1].startswith("failed user 65534 may not write")
    assert said[2] == "warning"


def test_a_port_names_who_listens_and_an_unknown_one_is_not_well() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        heard = of("port", port)
        assert heard.health is Health.OK
        assert f"process {os.getpid()}" in heard.found
    assert of("port", port).health is Health.UNKNOWN
    assert of("port", "web").health is Health.FAILED


def test_a_target_that_only_a_deed_could_try_is_unknown() -> None:
    assert of("command", "service:orders").health is Health.UNKNOWN


def test_the_main_process_is_looked_up_and_never_signalled(tmp_path: Path) -> None:
    pid_file = tmp_path / "shop.pid"
    service = Service(name="shop", pid_file=str(pid_file))
    assert [one.health for one in main_process(service)] == [Health.UNKNOWN]
    pid_file.write_text("not a pid")
    assert [one.health for one in main_process(service)] == [Health.FAILED]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pid_file.write_text(f"{child.pid}\n")
        (alive,) = main_process(service)
        assert alive.health is Health.OK
        assert child.poll() is None
        child.kill()
    (gone,) = main_process(service)
    assert gone.health is Health.FAILED


def shop(probe: str, parameters: dict[str, JsonValue]) -> Service:
    return Service(
        name="shop",
        indicators={"error_rate": Indicator(probe=probe, parameters=parameters, every=0.01)},
        benchmarks={"smoke": ServiceBenchmark(probe=probe, parameters=parameters)},
    )


def probes_of(services: Sequence[Service]) -> list[CheckResult]:
    with Eyes(found_collectors(Viewpoint(CLOCK))) as eyes:
        return [one for one in Services(services, eyes, CLOCK).checks() if one.check == "service.probe"]


def test_every_probe_is_really_read(tmp_path: Path) -> None:
    results = probes_of([shop("host.disk_free_share", {"path": str(tmp_path)})])
    assert [one.about for one in results] == [
        "shop: error_rate (host.disk_free_share)",
        "shop: smoke (host.disk_free_share)",
    ]
    for one in results:
        assert one.health is Health.OK
        assert one.value is not None
        assert 0 < one.value < 1
        assert one.unit == "share"


def test_a_probe_that_finds_nothing_is_unknown_and_says_why() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        results = probes_of([shop("http.latency_ms", {"url": f"http://127.0.0.1:{port}/"})])
    assert {one.health for one in results} == {Health.UNKNOWN}
    assert "unknown: " in results[0].found
    assert "grace.yaml" in results[0].next


def test_a_rate_is_read_twice_for_its_first_reading_tells_nothing() -> None:
    eyes = Fake(Scripted([Unknown(why="this is the first reading"), Known(value=0.02)]))
    service = Service(name="shop", indicators={"error_rate": Indicator(probe="metrics.ratio", every=0.01)})
    (one,) = Services([service], eyes, CLOCK).checks()
    assert (one.health, one.value) == (Health.OK, 0.02)
    assert one.found.startswith("known 0.02 in ")


@pytest.mark.parametrize(("age_s", "health"), [(12, Health.WARNING), (0, Health.OK)])
def test_an_indicator_whose_source_measures_more_rarely_than_it_is_asked_is_told(age_s: float, health: Health) -> None:
    eyes = Fake(Scripted([Known(value=0.02, as_of=CLOCK.now() - timedelta(seconds=age_s))]))
    service = Service(name="shop", indicators={"error_rate": Indicator(probe="metrics.value", every=5.0)})
    (one,) = Services([service], eyes, CLOCK).checks()
    assert one.health is health
    if health is Health.WARNING:
        assert one.found == "its newest value is 12 s old, and it is asked every 5 s"
        assert "docs/probes.md" in one.next


def test_drills_are_not_looked_at_for_they_come_and_go() -> None:
    eyes = Fake(Scripted([]))
    service = Service(name="grace-drill", environment="drill", indicators={"x": Indicator(probe="metrics.ratio")})
    assert list(Services([service], eyes, CLOCK).checks()) == []
    assert eyes.aimed == []


def test_a_probe_that_answers_with_words_is_well_and_has_no_number() -> None:
    one = reading("shop", "state", "process.state", Known(value="running"), 0.002)
    assert (one.health, one.value) == (Health.OK, None)
    assert one.found == "known running in 2 ms"


def test_evidence_that_is_not_there_is_told_and_none_of_it_is_read(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_text("started\n")
    there, absent = evidence(Service(name="shop", evidence=(str(log), str(tmp_path / "none.log"))))
    assert (there.health, there.value, there.unit) == (Health.OK, 8, "bytes")
    assert absent.health is Health.WARNING
    assert absent.next
    assert list(evidence(Service(name="shop"))) == []


def test_a_service_of_which_nothing_is_measured_is_unknown(tmp_path: Path) -> None:
    (told,) = unwatched(Service(name="shop"))
    assert (told.health, told.about) == (Health.UNKNOWN, "shop")
    assert list(unwatched(Service(name="shop", pid_file=str(tmp_path / "shop.pid")))) == []
    assert list(unwatched(shop("host.disk_free_share", {"path": "/"}))) == []
