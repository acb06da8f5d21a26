"""What a real Docker daemon says of containers in every state, and what is said of a daemon that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from grace.sense.discovery.containers import Container, see_containers
from grace.sense.discovery.findings import Unseen
from tests.machine.machine import open_machine
from tests.machine.parts import Docker, start_docker

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.slow]

SLEEPS = ["/bin/busybox", "sleep", "1000"]
FAILS = ["/bin/busybox", "false"]
SECOND_NS = 1_000_000_000


@pytest.fixture
def docker(tmp_path: Path, require_tool: Callable[[str], Path]) -> Generator[Docker]:
    require_tool("busybox")
    with open_machine(tmp_path) as machine:
        yield start_docker(machine)


def seen(docker: Docker) -> dict[str, Container]:
    found = see_containers(docker.machine.inside("/run/docker.sock"))
    assert isinstance(found, tuple), found
    return {one.name: one for one in found}


def test_a_daemon_without_containers_has_none(docker: Docker) -> None:
    assert seen(docker) == {}


def test_containers_are_at_work_unless_they_ended(docker: Docker) -> None:
    docker.run("running", SLEEPS)
    docker.run("paused", SLEEPS)
    docker.ask("POST", "/containers/paused/pause")
    docker.run("again", FAILS, {"HostConfig": {"RestartPolicy": {"Name": "always"}}})
    docker.run("ended", FAILS)
    health = {"Test": ["CMD", *FAILS], "Interval": SECOND_NS // 10, "Retries": 1}
    docker.run("sick", SLEEPS, {"Healthcheck": health})
    docker.ask("POST", "/containers/create?name=created", {"Image": "store:1", "Cmd": SLEEPS})

    def settled() -> dict[str, Container] | None:
        found = seen(docker)
        sick = "unhealthy" in found["sick"].status
        return found if sick and found["again"].status.startswith("Restarting") else None

    found = docker.machine.wait_for(docker.daemon, settled)
    at_work = {name for name, one in found.items() if one.is_at_work}
    assert at_work == {"running", "paused", "again", "sick"}
    assert "(Paused)" in found["paused"].status
    assert found["ended"].status.startswith("Exited (1)")


def test_a_published_port_is_told_with_its_address_and_one_that_is_not_is_not(docker: Docker) -> None:
    bound = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": [{"HostPort": "5353"}]}
    exposed: dict[str, object] = {"80/tcp": {}, "81/tcp": {}, "53/udp": {}}
    more = {"ExposedPorts": exposed, "HostConfig": {"PortBindings": bound}}
    identity = docker.run("store", SLEEPS, more)
    store = seen(docker)["store"]
    assert store.id == identity
    assert [(str(at.address), at.port) for at in store.endpoints] == [("127.0.0.1", 8080)]


def test_a_daemon_that_hangs_or_is_gone_is_unknown_and_not_without_containers(docker: Docker) -> None:
    place = docker.machine.inside("/run/docker.sock")
    docker.machine.signal(docker.daemon, "STOP")
    hanging = see_containers(place)
    assert isinstance(hanging, Unseen)
    assert hanging.why == "no answer within 3 s"
    docker.machine.signal(docker.daemon, "CONT")
    assert seen(docker) == {}
    docker.machine.stop(docker.daemon, "KILL")
    assert place.is_socket(), "it leaves its socket behind"
    gone = see_containers(place)
    assert isinstance(gone, Unseen)
    assert "refused" in gone.why
