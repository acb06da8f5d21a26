"""Real parts for a machine: a Docker daemon with containers, a Prometheus, a PostgreSQL, an exporter."""

from __future__ import annotations

import io
import json
import socket
import sys
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from tests.machine.machine import Machine, Part, PartFailedError

IMAGE: Final = "store:1"
_BUSYBOX: Final = Path("/bin/busybox")
_ANSWERS_S: Final = 30
_ERRORS: Final = 400
_CONTAINERD: Final = """\
version = 2
root = "/run/containerd-root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/run/containerd-opt"
"""
_BECOME_SYSTEMD: Final = """
import os, pathlib, sys
for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
    words = line.split()
    kind, options = words[words.index("-") + 1], words[-1]
    if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
        group = pathlib.Path(words[4]) / sys.argv[1]
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text("0")
environment = {"PATH": os.environ["PATH"], "container": "other", "SYSTEMD_UNIT_PATH": "/etc/systemd/system"}
as_first = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
os.execvpe("unshare", [*as_first, "/lib/systemd/systemd", "--system", "--log-target=console"], environment)
"""
"""systemd wants to be the first process, and the control group it is in becomes the root of all its units."""
_GET: Final = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=5).read().decode())"


class _Local(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=_ANSWERS_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWERS_S)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker daemon that listens at its usual socket in a machine."""

    machine: Machine
    daemon: Part

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the daemon; anything but success fails with what it said."""
        told = self._raw(method, path, body)
        return json.loads(told) if told.startswith((b"{", b"[")) else None

    def _raw(self, method: str, path: str, body: object) -> bytes:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        with closing(_Local(self.machine.inside("/run/docker.sock"))) as connection:
            connection.request(method, f"/v1.41{path}", data, {"Content-Type": kind})
            answer = connection.getresponse()
            told = answer.read()
        if answer.status >= _ERRORS:
            message = f"{method} {path}: {answer.status} {told.decode()}\n{self.daemon.said()}"
            raise PartFailedError(message)
        return told

    def run(self, name: str, argv: Sequence[str], more: Mapping[str, object] | None = None) -> str:
        """Create and start a container; return its id."""
        wish = {"Image": IMAGE, "Cmd": list(argv), **(more or {})}
        made = self.ask("POST", f"/containers/create?name={name}", wish)
        self.ask("POST", f"/containers/{name}/start")
        return str(made["Id"])

    def logs(self, name: str) -> bytes:
        """Return what a container wrote."""
        return self._raw("GET", f"/containers/{name}/logs?stdout=1&stderr=1", None)

    def look_at(self, name: str) -> Any:
        return self.ask("GET", f"/containers/{name}/json")


def start_docker(machine: Machine) -> Docker:
    """Start containerd and dockerd, everything they keep in the machine's own `/run`, and make the image."""
    machine.inside("/run/containerd.toml").write_text(_CONTAINERD)
    machine.inside("/run/docker.json").write_text(json.dumps({"deprecated-key-path": "/run/docker-key.json"}))
    machine.start("containerd", ["containerd", "--config", "/run/containerd.toml"])
    flags = ["--config-file=/run/docker.json", "--containerd=/run/containerd/containerd.sock"]
    flags += ["--data-root=/run/docker-data", "--iptables=false", "--ip6tables=false"]
    flags += ["--exec-opt=native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{machine.name}/docker"]
    docker = Docker(machine, machine.start("dockerd", ["dockerd", *flags]))
    machine.wait_for(docker.daemon, lambda: _answers(docker))
    docker.ask("POST", "/images/create?fromSrc=-&repo=store&tag=1", _image())
    return docker


def _answers(docker: Docker) -> bool | None:
    try:
        docker.ask("GET", "/_ping")
    except (OSError, HTTPException):
        return None
    return True


def _image() -> bytes:
    """Return a root file system of a busybox and one page."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(_BUSYBOX.resolve(), "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
        page = b"a real page\n"
        told = tarfile.TarInfo("www/index.html")
        told.size = len(page)
        tar.addfile(told, io.BytesIO(page))
    return buffer.getvalue()


def get(machine: Machine, url: str) -> str | None:
    """Return a page as the machine itself sees it; None where there is none."""
    found = machine.call([sys.executable, "-I", "-c", _GET, url])
    return found.stdout if found.returncode == 0 else None


def start_prometheus(machine: Machine, jobs: Mapping[str, Sequence[str]], port: int = 9090) -> Part:
    """Start a Prometheus that reads these jobs' addresses every second, and wait until it has looked at each."""
    scrape = [{"job_name": job, "static_configs": [{"targets": list(at)}]} for job, at in jobs.items()]
    written = {"global": {"scrape_interval": "1s"}, "scrape_configs": scrape}
    machine.inside("/run/prometheus.yml").write_text(json.dumps(written))  # JSON is YAML
    flags = ["--config.file=/run/prometheus.yml", "--storage.tsdb.path=/run/prometheus"]
    part = machine.start("prometheus", ["prometheus", *flags, f"--web.listen-address=127.0.0.1:{port}"])

    def has_looked() -> bool | None:
        told = get(machine, f"http://127.0.0.1:{port}/api/v1/targets?state=active")
        healths = [one["health"] for one in json.loads(told)["data"]["activeTargets"]] if told else []
        return True if len(healths) == sum(map(len, jobs.values())) and "unknown" not in healths else None

    machine.wait_for(part, has_looked)
    return part


def start_exporter(machine: Machine, port: int = 9100) -> Part:
    """Start a real exporter of this machine's figures."""
    at = f"127.0.0.1:{port}"
    part = machine.start("exporter", ["prometheus-node-exporter", f"--web.listen-address={at}"])
    machine.wait_for(part, lambda: get(machine, f"http://{at}/metrics"))
    return part


def start_postgres(machine: Machine, listens: str = "127.0.0.1") -> Part:
    """Start a PostgreSQL with its socket at the usual place; an empty `listens` leaves TCP out."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: float(one.parts[4])).parent
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    machine.call(["install", "-d", "-o", "postgres", "/run/postgresql", "/run/pg"])
    made = machine.call(
        [*as_postgres, str(programs / "initdb"), "-D", "/run/pg/main", "--no-sync", "-A", "trust", "-E", "UTF8"]
    )
    if made.returncode:
        message = f"initdb failed: {made.stdout}{made.stderr}"
        raise PartFailedError(message)
    flags = ["-D", "/run/pg/main", "-k", "/run/postgresql", "-c", "fsync=off", "-c", f"listen_addresses={listens}"]
    flags += ["-c", "external_pid_file=/run/postgresql/15-main.pid"]  # as Debian starts it
    part = machine.start("postgres", [str(programs / "postgres"), *flags], user="postgres")
    machine.wait_for(part, lambda: True if machine.inside("/run/postgresql/.s.PGSQL.5432").is_socket() else None)
    return part


def start_systemd(machine: Machine, units: Mapping[str, str], wanted: Sequence[str]) -> tuple[Part, Machine]:
    """Start a real systemd that knows these unit files alone, in the administrator's folder, and starts those wanted.

    Returned with it is the machine as it is from inside, where systemd is the first process.
    """
    for folder in ("/etc/systemd/system", "/run/systemd/system"):
        machine.call(["mkdir", "-p", folder])
    machine.call(["mount", "-t", "tmpfs", "units", "/etc/systemd/system"])
    target = f"[Unit]\nDefaultDependencies=no\nWants={' '.join(wanted)}\n"
    for name, content in {**units, "default.target": target}.items():
        machine.inside(f"/etc/systemd/system/{name}").write_text(content)
    part = machine.start("systemd", [sys.executable, "-I", "-c", _BECOME_SYSTEMD, machine.name])
    outside = machine.wait_for(part, lambda: _only_child(part.process.pid))  # `nsenter` has become `unshare`
    return part, replace(machine, first=machine.wait_for(part, lambda: _only_child(outside)))


def _only_child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None
