"""A real HTTP server that answers as GRACE's native door does and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Document = dict[str, Any]


class Sink:
    """Keep signals by id; `status` other than 202 refuses them, and `refuses` names ids that are refused for good."""

    def __init__(self, port: int = 0) -> None:
        self.signals: dict[str, Document] = {}
        self.requests: list[Document] = []
        self.sessions: list[Document] = []
        self.authorizations: set[str] = set()
        self.duplicates = 0
        self.status = 202
        self.answer: bytes | None = None
        self.refused_titles: set[str] = set()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.sink = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def dsn(self, service: str = "orders", environment: str = "drill") -> str:
        return f"http://secret-token@127.0.0.1:{self.port}/{service}?environment={environment}"

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Document]:
        """Return the signals in the order of their sequence, once there are as many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.signals) >= count, timeout_s)
            assert arrived, f"{len(self.signals)} of {count} signals arrived"
            return sorted(self.signals.values(), key=lambda signal: cast("int", signal["sequence"]))

    def wait_for_request(self, count: int = 1, timeout_s: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout_s)

    def wait_for_session(self, told: Callable[[Document], bool], timeout_s: float = 20.0) -> None:
        """Wait until something is said about a session."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: any(told(one) for one in self.sessions), timeout_s)
            assert arrived, f"told were only {self.sessions}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def receive(self, body: bytes, authorization: str) -> tuple[int, bytes]:
        document = json.loads(body)
        signals: list[Document] = document["signals"]
        with self._changed:
            self.requests.append(document)
            self.authorizations.add(authorization)
            answer = self._judge(signals, document.get("sessions", []))
            self._changed.notify_all()
            return answer

    def _judge(self, signals: list[Document], sessions: list[Document]) -> tuple[int, bytes]:
        if self.answer is not None:
            return self.status, self.answer
        if self.status != 202:
            return self.status, b'{"title": "No", "detail": "not now"}'
        if any(signal["title"] in self.refused_titles for signal in signals):
            return 422, b'{"title": "Unprocessable", "detail": "a title that is refused"}'
        known = sum(signal["id"] in self.signals for signal in signals)
        self.duplicates += known
        self.signals.update({signal["id"]: signal for signal in signals})
        self.sessions += sessions
        return 202, json.dumps({"accepted": len(signals) - known, "duplicates": known, "signals": []}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    sink: Sink

    def __init__(self, *args: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End kept connections too, as the end of a process would."""
        for request in list(self._open):
            super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the only server it is used with

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, content = self.server.sink.receive(body, self.headers["Authorization"])
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):
            # The connection ended in the middle: a sender that was killed, or a sink that was stopped.
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        return
