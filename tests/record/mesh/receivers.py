"""Real receivers of webhooks: HTTP servers on this machine that take, refuse, hang, drip or break off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

PATIENCE_S = 30
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


Answering = Callable[["_Handler", Got], None]


def with_status(status: int, **headers: str) -> Answering:
    def answer(handler: _Handler, _got: Got) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def reset(handler: _Handler, _got: Got) -> None:
    """Break the connection off hard."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def drip(handler: _Handler, _got: Got) -> None:
    """Answer a byte at a time, for ever: no single read ever waits for long."""
    receiver = handler.receiver
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-drip: ")
    while not receiver.let_go.wait(0.02):
        try:
            handler.wfile.write(b"x")
            handler.wfile.flush()
        except OSError:
            return


def hang(handler: _Handler, _got: Got) -> None:
    """Say nothing until the test is over."""
    assert handler.receiver.let_go.wait(PATIENCE_S)


@dataclass(slots=True)
class Receiver:
    """What a test sees of its server; `answers` is used up first, then `answer` stands."""

    answer: Answering = field(default_factory=lambda: with_status(204))
    answers: list[Answering] = field(default_factory=list[Answering])
    got: list[Got] = field(default_factory=list[Got])
    let_go: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, got: Got) -> Answering:
        with self._lock:
            self.got.append(got)
            return self.answers.pop(0) if self.answers else self.answer


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.receiver.take(got)(self, got)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a broken connection is what some tests are about."""


@contextmanager
def receiving(answer: Answering | None = None) -> Generator[Receiver]:
    receiver = Receiver() if answer is None else Receiver(answer)
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


# ---- an independent reader, written from the specification's own features ----


@dataclass(frozen=True, slots=True)
class ReadEvent:
    attributes: dict[str, str]
    data: Any


def read_event(headers: Mapping[str, str], body: bytes) -> ReadEvent:
    """Read a CloudEvent from an HTTP request (HTTP protocol binding 1.0), whichever its mode is."""
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip() == "application/cloudevents+json":
        whole = json.loads(body)
        data = whole.pop("data", None)
        attributes = whole
    else:
        attributes = {
            name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")
        }
        data = json.loads(body) if body else None
        if content_type:
            attributes["datacontenttype"] = content_type
    missing = {"specversion", "id", "source", "type"} - set(attributes)
    assert not missing, missing
    assert all(isinstance(value, str) and value for value in attributes.values())
    assert all(name.isascii() and name.isalnum() and name.islower() and len(name) <= 20 for name in attributes)
    return ReadEvent(attributes, data)


def verify(got: Got, key: bytes = KEY) -> bool:
    """Verify as a receiver would by Standard Webhooks 1.0: any one of the signatures fits."""
    told = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in got.headers["webhook-signature"].split(" ")
