"""`grace init` and `grace doctor` on a machine with real parts: containers, a Prometheus, databases, a service."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from grace.model.service import Mode, Service
from grace.sense.declarations import load_services
from grace.settings import load_settings
from grace.wiring import catalogue
from tests.machine.machine import Machine, Part, open_machine
from tests.machine.parts import (
    Docker,
    get,
    start_docker,
    start_exporter,
    start_postgres,
    start_prometheus,
)

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]

BOOKINGS: Final = Path(__file__).parents[2] / "first_hour" / "bookings" / "bookings.py"
PORT: Final = 8001
PAGES: Final = ["/bin/busybox", "httpd", "-f", "-v", "-p", "80", "-h", "/www"]
HEALTH: Final = ["CMD", "/bin/busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"]
SECOND_NS: Final = 1_000_000_000
JOBS: Final = {
    "bookings": [f"127.0.0.1:{PORT}"],
    "exporter": ["127.0.0.1:9100"],
    "prometheus": ["127.0.0.1:9090"],
    "gone": ["127.0.0.1:9"],
}
TOOLS: Final = ("busybox", "pg_createcluster", "prometheus", "prometheus-node-exporter")
AS_SEVERAL: Final = """
import grp, os, sys
from grace.cli.program import run

def init(*options):
    run(["init", *options])
    sys.stdout.write("\\0"), sys.stdout.flush()

def init_as_member_of(groups):
    os.setgroups(groups), os.setegid(65534), os.seteuid(65534)
    init("--output", "-")
    os.seteuid(0), os.setegid(0)

init("--json")  # what is imported later may lie where nobody else may read
init_as_member_of([])
init_as_member_of([grp.getgrnam("docker").gr_gid])
"""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A machine at work, and what `grace init` said of it."""

    machine: Machine
    docker: Docker
    parts: dict[str, Part]
    said: Any
    to_nobody: str
    """What it said to somebody without rights."""
    to_a_member: str
    """What it said to a member of the group docker."""
    services: dict[str, Service]

    def found(self, service: str) -> dict[str, list[Any]]:
        kinds: dict[str, list[Any]] = {}
        for one in self.said["findings"]:
            if one["service"] == service:
                kinds.setdefault(one["kind"], []).append(one)
        return kinds

    @property
    def text(self) -> str:
        return (self.machine.folder / "grace.yaml").read_text()

    def doctor(self) -> dict[str, Any]:
        """Return what the doctor finds of services, by what it is about."""
        told = json.loads(self.machine.grace("doctor", "--json").stdout)
        return {one["about"]: one for one in told["results"] if one["check"].startswith("service.")}


def _published(port: int) -> dict[str, object]:
    bound = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    return {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": bound, "Init": True}}


def _start_bookings(machine: Machine) -> Part:
    folder = machine.folder / "bookings"
    folder.mkdir(exist_ok=True)
    part = machine.start("bookings", [sys.executable, str(BOOKINGS), "--port", str(PORT)], cwd=folder)
    machine.wait_for(part, lambda: get(machine, f"http://127.0.0.1:{PORT}/healthz"))
    return part


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], Path]) -> Generator[Proposed]:
    for tool in TOOLS:
        require_tool(tool)
    with open_machine(tmp_path_factory.mktemp("machine")) as machine:
        docker = start_docker(machine)
        health = {"Test": HEALTH, "Interval": SECOND_NS, "Timeout": SECOND_NS}
        docker.run("store", PAGES, _published(8080) | {"Healthcheck": health})
        docker.ask("POST", "/images/store:1/tag?repo=example.com/redis&tag=7")
        docker.run("cache", PAGES, _published(6379) | {"Image": "example.com/redis:7"})
        docker.run("worker", ["/bin/busybox", "sleep", "1000"])
        parts = {"bookings": _start_bookings(machine), "exporter": start_exporter(machine)}
        parts["postgres"] = start_postgres(machine)
        parts["prometheus"] = start_prometheus(machine, JOBS)
        machine.wait_for(docker.daemon, lambda: _is_healthy(docker))
        several = machine.call([sys.executable, "-c", AS_SEVERAL])
        assert several.returncode == 0, several.stderr
        said, to_nobody, to_a_member, _ = several.stdout.split("\0")
        declared = load_services(machine.folder / "grace.yaml", catalogue(load_settings()))
        assert declared.flaws == ()
        services = {one.name: one for one in declared.services}
        yield Proposed(machine, docker, parts, json.loads(said), to_nobody, to_a_member, services)


def _is_healthy(docker: Docker) -> bool | None:
    return True if docker.look_at("store")["State"]["Health"]["Status"] == "healthy" else None


def test_everything_that_runs_is_found_and_the_machine_s_own_is_left_out(proposed: Proposed) -> None:
    assert proposed.said["services"] == ["bookings", "cache", "postgresql", "prometheus", "store", "worker"]
    assert proposed.said["unknown"] == []
    assert proposed.said["left_out"]["system"] == ["docker-proxy", "docker-proxy", "prometheus-node-exporter"]
    assert {one.mode for one in proposed.services.values()} == {Mode.OBSERVE}


def test_a_container_is_found_with_its_name_health_port_and_page(proposed: Proposed) -> None:
    found = proposed.found("store")
    assert found["container"][0]["where"].startswith("store:1, Up ")
    assert "(healthy)" in found["container"][0]["where"]
    store = proposed.services["store"]
    assert store.labels == {"address": "http://127.0.0.1:8080"}
    assert store.benchmarks["smoke"].parameters["url"] == "http://127.0.0.1:8080/"
    assert proposed.found("worker")["process"][0]["where"] == "listens at nowhere"


def test_a_database_in_a_container_is_not_asked_over_its_port(proposed: Proposed) -> None:
    assert proposed.found("cache")["database"][0]["what"] == "Redis"
    assert proposed.services["cache"].labels == {}
    heard = {name: proposed.docker.logs(name) for name in ("cache", "store")}
    assert b"response:404" in heard["store"], "it was asked for /metrics, and says so"
    assert b"response:" not in heard["cache"]


def test_a_postgresql_is_found_at_its_port_and_socket_with_its_pid_and_never_spoken_to(proposed: Proposed) -> None:
    (process,) = proposed.found("postgresql")["process"]
    assert process["where"] == "listens at 127.0.0.1:5432, /run/postgresql/.s.PGSQL.5432"
    assert proposed.services["postgresql"].pid_file == "/run/postgresql/15-main.pid"
    assert "startup packet" not in proposed.parts["postgres"].said()


def test_a_prometheus_says_which_pages_it_reads_and_which_it_cannot(proposed: Proposed) -> None:
    (prometheus,) = proposed.found("prometheus")["prometheus"]
    assert prometheus["where"] == "reads 4 pages, 1 of them in vain"
    assert "# it cannot read http://127.0.0.1:9/metrics (" in proposed.text
    assert "connection refused" in proposed.text
    found = proposed.services["prometheus"]
    assert found.benchmarks["smoke"].parameters["url"] == "http://127.0.0.1:9090/-/healthy"
    assert found.indicators == {}, "it counts the reading of its own pages"


def test_a_write_ahead_log_is_no_log(proposed: Proposed) -> None:
    """Prometheus has its `wal/00000000` open for append, just like a log."""
    prometheus = proposed.parts["prometheus"]
    assert proposed.services["prometheus"].evidence == (str(prometheus.log),)
    opened = proposed.machine.call(["sh", "-c", f"ls -l /proc/{prometheus.pid}/fd"]).stdout
    assert "/wal/0000" in opened


def test_a_service_is_found_with_its_database_log_pid_and_rate(proposed: Proposed) -> None:
    folder = proposed.machine.folder / "bookings"
    bookings = proposed.services["bookings"]
    assert [(one.kind, one.id) for one in bookings.targets] == [("sqlite", str(folder / "bookings.db"))]
    assert str(folder / "bookings.log") in bookings.evidence
    assert bookings.pid_file == str(folder / "bookings.pid")
    assert bookings.labels["address"] == f"http://127.0.0.1:{PORT}"
    assert "open in process" in proposed.found("bookings")["database"][0]["where"]


def test_who_may_not_ask_docker_is_told_that_containers_are_unknown(proposed: Proposed) -> None:
    unknown = proposed.to_nobody.partition("unknown, because it may not be looked at:")[2]
    assert "containers (/var/run/docker.sock): it cannot be asked: [Errno 13] Permission denied" in unknown
    assert "member of the group docker" in unknown
    for port in (5432, 9090):
        assert f"port 127.0.0.1:{port}: no process that may be looked into holds it" in unknown


def test_who_may_ask_docker_is_told_of_containers_whose_processes_may_not_be_looked_into(proposed: Proposed) -> None:
    text = proposed.to_a_member
    assert "# listens at 127.0.0.1:6379; container cache (example.com/redis:7)\n  - name: cache\n" in text
    assert 'address: "http://127.0.0.1:8080"' in text
    assert 'address: "http://127.0.0.1:6379"' not in text
    assert text.count("# what the container's processes have open was not looked at") == 3
    assert "port 127.0.0.1:9090: no process that may be looked into holds it" in text


def test_the_doctor_proves_each_part_and_says_which_one_is_gone(proposed: Proposed) -> None:
    machine, parts = proposed.machine, proposed.parts
    folder = machine.folder / "bookings"
    about = {
        "bookings: smoke (http.latency_ms)": "unknown",
        f"bookings: {folder / 'bookings.pid'}": "failed",
        f"bookings: sqlite {folder / 'bookings.db'}": "failed",
        "postgresql: /run/postgresql/15-main.pid": "unknown",
        "prometheus: smoke (http.latency_ms)": "unknown",
        "store: smoke (http.latency_ms)": "unknown",
    }
    well = proposed.doctor()
    assert {name: well[name]["health"] for name in about} == dict.fromkeys(about, "ok")
    assert well[f"bookings: {parts['bookings'].log}"]["health"] == "ok"
    assert (well["worker"]["check"], well["worker"]["health"]) == ("service.watched", "unknown")
    machine.stop(parts["bookings"], "KILL")
    for file in folder.glob("bookings.db*"):
        file.unlink()
    machine.stop(parts["postgres"], "INT")
    machine.signal(parts["prometheus"], "STOP")
    proposed.docker.ask("POST", "/containers/store/pause")
    gone = proposed.doctor()
    assert {name: gone[name]["health"] for name in about} == about
    assert all(gone[name]["next"] for name in about)


@pytest.fixture
def machine(tmp_path: Path, require_tool: Callable[[str], Path]) -> Generator[Machine]:
    require_tool("pg_createcluster")
    with open_machine(tmp_path) as opened:
        yield opened


def test_a_postgresql_without_a_port_is_found_at_its_socket(machine: Machine) -> None:
    start_postgres(machine, listens="")
    said = json.loads(machine.grace("init", "--output", "-", "--json").stdout)
    assert said["services"] == ["postgresql"]
    assert said["findings"][0]["where"] == "listens at /run/postgresql/.s.PGSQL.5432"
