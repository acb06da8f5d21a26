"""What Docker says, over a real socket; the answers are those of its API."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from grace.sense.discovery.containers import container_of, see_containers
from grace.sense.discovery.databases import database_in
from grace.sense.discovery.findings import Unseen

ID = "3f" * 32
ANSWER = [
    {
        "Id": ID,
        "Names": ["/store"],
        "Image": "redis:7",
        "State": "running",
        "Status": "Up 3 hours",
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 6379, "PublicPort": 16379, "Type": "tcp"},
            {"PrivatePort": 6380, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        ],
        "Labels": {"password": "hunter22"},
    },
    {"Id": "aa" * 32, "Names": ["/old"], "Image": "x", "State": "exited", "Status": "Exited (0)", "Ports": None},
]


@contextmanager
def _daemon(path: Path, status: int, body: bytes, asked: list[str]) -> Generator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the library gives it
            pass

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "d.sock"


def test_containers_are_asked_for_by_one_get(socket_path: Path) -> None:
    asked: list[str] = []
    with _daemon(socket_path, 200, json.dumps(ANSWER).encode(), asked):
        found = see_containers(socket_path)
    assert asked == ["GET /containers/json?all=1"]
    assert isinstance(found, tuple)
    old, store = found
    assert (old.name, old.is_at_work, old.endpoints) == ("old", False, ())
    assert (store.id, store.image, store.is_at_work) == (ID, "redis:7", True)
    assert [(str(at.address), at.port) for at in store.endpoints] == [("0.0.0.0", 16379)]


@pytest.mark.parametrize(("status", "body"), [(403, b""), (200, b"<html>"), (200, b'{"a": 1}')])
def test_an_answer_that_is_none_is_unknown(socket_path: Path, status: int, body: bytes) -> None:
    with _daemon(socket_path, status, body, []):
        assert isinstance(see_containers(socket_path), Unseen)


def test_no_daemon_is_no_containers_and_a_dead_socket_is_unknown(socket_path: Path) -> None:
    assert see_containers(socket_path) == ()
    socketserver.UnixStreamServer(str(socket_path), BaseHTTPRequestHandler).server_close()
    assert isinstance(see_containers(socket_path), Unseen)
    socket_path.unlink()
    socket_path.write_text("")
    assert isinstance(see_containers(socket_path), Unseen)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((f"/docker/{ID}",), ID),
        (("/user.slice", f"/system.slice/docker-{ID}.scope"), ID),
        (("/system.slice/shop.service",), ""),
    ],
)
def test_a_process_tells_its_container(groups: tuple[str, ...], expected: str) -> None:
    assert container_of(groups) == expected


@pytest.mark.parametrize(
    ("image", "command", "expected"),
    [
        ("postgres:15", "docker-entrypoint.sh postgres", "PostgreSQL"),
        ("registry.example.com:5000/team/redis@sha256:00", "/start", "Redis"),
        ("team/storage", "/usr/bin/tini -- /usr/bin/redis-server *:6379", "Redis"),
        ("team/redis-ui:2", "node server.js", ""),
        ("", "", ""),
    ],
)
def test_a_database_is_known_by_its_command_or_else_by_its_image(image: str, command: str, expected: str) -> None:
    assert database_in(image, command) == expected
