"""Containers: what a Docker daemon says it runs, asked by GET over its socket."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grace.kit.procfs import Endpoint
from grace.sense.discovery.databases import database_in
from grace.sense.discovery.findings import Unseen

DOCKER_SOCKET: Final = Path("/var/run/docker.sock")
_TIMEOUT_S: Final = 3.0
_OK: Final = 200
_LONGEST_BODY_BYTES: Final = 16 * 1024 * 1024
_MAY_ASK: Final = "Run it as root or as a member of the group docker."
_AT_WORK: Final = frozenset({"running", "paused", "restarting"})
_ID_IN_GROUP: Final = re.compile(r"(?:docker|libpod|cri-containerd)[-/]([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Container:
    """One container: its id, name, image, whether it is at work, and where its ports are on this machine."""

    id: str
    name: str
    image: str
    is_at_work: bool
    """It runs, is paused, or is started again and again."""
    status: str
    endpoints: tuple[Endpoint, ...] = ()
    database: str = ""
    """Which database server it is, if any."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _WirePort(_Wire):
    address: str = Field(alias="IP", default="")
    public: int | None = Field(alias="PublicPort", default=None)
    kind: str = Field(alias="Type", default="tcp")


class _WireContainer(_Wire):
    id: str = Field(alias="Id")
    names: tuple[str, ...] = Field(alias="Names", default=())
    image: str = Field(alias="Image", default="")
    command: str = Field(alias="Command", default="")
    state: str = Field(alias="State", default="")
    status: str = Field(alias="Status", default="")
    ports: tuple[_WirePort, ...] | None = Field(alias="Ports", default=())


_LIST: Final = TypeAdapter(tuple[_WireContainer, ...])


def see_containers(path: Path = DOCKER_SOCKET) -> tuple[Container, ...] | Unseen:
    """Ask the daemon for its containers; none where there is no daemon, Unseen where it may not be asked."""
    what = f"containers ({path})"
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return Unseen(what, "it is no socket")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        return Unseen(what, str(error.strerror), _MAY_ASK)
    return _asked(path, what)


class _Local(HTTPConnection):
    """A connection to a server that listens on a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=_TIMEOUT_S)
        self._path = str(path)

    def connect(self) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(_TIMEOUT_S)
        try:
            made.connect(self._path)
        except OSError:
            made.close()
            raise
        self.sock = made


def _asked(path: Path, what: str) -> tuple[Container, ...] | Unseen:
    try:
        with closing(_Local(path)) as connection:
            connection.request("GET", "/containers/json?all=1")
            answer = connection.getresponse()
            status, body = answer.status, answer.read(_LONGEST_BODY_BYTES)
    except TimeoutError:
        return Unseen(what, f"no answer within {_TIMEOUT_S:g} s", "Is the daemon at work?")
    except (OSError, HTTPException) as error:
        return Unseen(what, f"it cannot be asked: {error}", _MAY_ASK)
    if status != _OK:
        return Unseen(what, f"it answers with status {status}", _MAY_ASK)
    return read_containers(body, what)


def read_containers(body: bytes, what: str) -> tuple[Container, ...] | Unseen:
    """Read the daemon's answer."""
    try:
        found = _LIST.validate_json(body)
    except ValidationError:
        return Unseen(what, "its answer is not a list of containers", "")
    return tuple(sorted((_container(one) for one in found), key=lambda one: (one.name, one.id)))


def container_of(cgroups: Sequence[str]) -> str:
    """Return the id of the container that a process's control groups belong to; else nothing."""
    found = (_ID_IN_GROUP.search(group) for group in cgroups)
    return next((one[1] for one in found if one), "")


def _container(wire: _WireContainer) -> Container:
    name = wire.names[0].lstrip("/") if wire.names else wire.id[:12]
    places = {(one.address or "0.0.0.0", one.public) for one in wire.ports or () if one.public and one.kind == "tcp"}  # noqa: S104 - how Docker writes "everywhere"
    endpoints = [Endpoint(ip_address(address), port) for address, port in places if port]
    return Container(
        id=wire.id,
        name=name,
        image=wire.image,
        is_at_work=wire.state in _AT_WORK,
        status=wire.status,
        endpoints=tuple(sorted(endpoints, key=lambda one: (one.port, one.address.version, int(one.address)))),
        database=database_in(wire.image, wire.command),
    )
