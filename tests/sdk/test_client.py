from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from grace_sdk.client import ApiProblem, Client, ServerUnreachable


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[dict[str, Any]]
    answer: tuple[int, bytes]


class _Handler(BaseHTTPRequestHandler):
    server: _Api  # pyright: ignore[reportIncompatibleVariableOverride] - the only server it is used with

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(
            {
                "method": self.command,
                "target": self.path,
                "authorization": self.headers["Authorization"],
                "body": json.loads(body) if body else None,
            }
        )
        status, content = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names in the standard library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        return


@pytest.fixture
def api() -> Iterator[_Api]:
    server = _Api(("127.0.0.1", 0), _Handler)
    server.seen = []
    server.answer = (200, b'{"fine": true}')
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _client(api: _Api, token: str = "t0k") -> Client:
    return Client(f"http://127.0.0.1:{api.server_address[1]}", token)


def test_a_read_sends_token_and_query_and_returns_json(api: _Api) -> None:
    query = {"type": "error.detected", "limit": 5, "after": None, "open": True, "state": ["a", "b"]}
    assert _client(api).get("/api/meta/events", query) == {"fine": True}
    assert api.seen == [
        {
            "method": "GET",
            "target": "/api/meta/events?type=error.detected&limit=5&open=true&state=a&state=b",
            "authorization": "Bearer t0k",
            "body": None,
        }
    ]


def test_a_post_sends_its_body_and_a_path_is_quoted(api: _Api) -> None:
    _client(api, token="").post("/api/runs/a b/cancel", body={"reason": "ü"})
    assert api.seen[0] == {
        "method": "POST",
        "target": "/api/runs/a%20b/cancel",
        "authorization": None,
        "body": {"reason": "ü"},
    }


def test_an_answer_without_content_is_none(api: _Api) -> None:
    api.answer = (204, b"")
    assert _client(api).delete("/api/tokens/1") is None


def test_a_problem_carries_status_title_detail_and_the_next_step(api: _Api) -> None:
    problem = {
        "title": "Forbidden",
        "detail": "The role viewer may not approve.",
        "next": "Ask an approver.",
        "role": "viewer",
    }
    api.answer = (403, json.dumps(problem).encode())
    with pytest.raises(ApiProblem, match="may not approve") as caught:
        _client(api).post("/api/autonomy/approvals/1")
    assert (caught.value.status, caught.value.title, caught.value.next) == (403, "Forbidden", "Ask an approver.")
    assert caught.value.members["role"] == "viewer"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"title": 3}'])
def test_an_error_without_a_problem_document_is_still_a_problem(api: _Api, content: bytes) -> None:
    api.answer = (502, content)
    with pytest.raises(ApiProblem) as caught:
        _client(api).get("/")
    assert (caught.value.status, caught.value.title, caught.value.detail) == (502, "Bad Gateway", "")


def test_something_that_is_not_json_is_not_grace(api: _Api) -> None:
    api.answer = (200, b"<html>welcome</html>")
    with pytest.raises(ServerUnreachable, match="not JSON"):
        _client(api).get("/")


def test_a_server_that_does_not_answer_is_named_with_the_next_step() -> None:
    with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:9.*grace serve") as caught:
        Client("http://127.0.0.1:9").get("/")
    assert caught.value.address == "http://127.0.0.1:9"


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="Not an address"):
        Client(address)


def test_a_prefix_of_the_address_is_kept(api: _Api) -> None:
    with Client(f"http://127.0.0.1:{api.server_address[1]}/grace/") as client:
        client.get("/api/x")
    assert api.seen[0]["target"] == "/grace/api/x"
