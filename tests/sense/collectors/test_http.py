"""Answers, refusals and silence over HTTP."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from grace.model.reading import Known, Unknown
from tests.sense.collectors.conftest import Look, Site


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_good_answer(look: Look, site: Site) -> None:
    assert look("http.status", url=site.url) == Known(value=200)
    assert look("http.ok", url=site.url) == Known(value=True)
    assert look("http.ok", url=site.url, contains="well") == Known(value=True)
    assert look("http.ok", url=site.url, contains="ill") == Known(value=False)
    latency = look("http.latency_ms", url=site.url)
    assert isinstance(latency, Known)
    assert isinstance(latency.value, float)
    assert latency.value > 0


@pytest.mark.parametrize(("status", "is_ok"), [(204, True), (302, True), (400, False), (503, False)])
def test_the_status_decides(look: Look, site: Site, status: int, is_ok: bool) -> None:
    site.status = status
    site.body = b""
    assert look("http.status", url=site.url) == Known(value=status)
    assert look("http.ok", url=site.url) == Known(value=is_ok)


def test_a_quick_error_is_no_quick_answer(look: Look, site: Site) -> None:
    site.status = 503
    assert look("http.latency_ms", url=site.url) == Unknown(why="the answer has status 503, so its speed says nothing")


def test_a_refusal_is_a_known_no_and_otherwise_unknown(look: Look, closed_port: str) -> None:
    assert look("http.ok", url=closed_port) == Known(value=False)
    for probe in ("http.status", "http.latency_ms", "http.json"):
        found = look(probe, url=closed_port)
        assert isinstance(found, Unknown)
        assert found.why.startswith("cannot connect")


def test_a_connection_that_breaks_is_a_known_no(look: Look) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert look("http.ok", url=url) == Known(value=False)
        assert isinstance(look("http.status", url=url), Unknown)
        thread.join()


def test_silence_is_unknown_unless_it_is_said_to_be_a_failure(look: Look, site: Site) -> None:
    site.hold = threading.Event()
    assert look("http.ok", url=site.url, timeout="100ms") == Unknown(why="no answer within 0.1 s")
    assert look("http.ok", url=site.url, timeout="100ms", timeout_is_failure=True) == Known(value=False)
    assert isinstance(look("http.latency_ms", url=site.url, timeout="100ms"), Unknown)


def test_a_body_that_drips_is_cut_off(look: Look) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                while not over.wait(0.03):
                    try:
                        connection.sendall(b".")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        found = look("http.ok", url=f"http://127.0.0.1:{server.getsockname()[1]}", timeout="200ms")
        over.set()
        thread.join()
    assert found == Unknown(why="the body did not end within 0.2 s")


def test_a_body_without_end_is_cut_off(look: Look, site: Site) -> None:
    site.body = b"x" * (5 * 1024 * 1024)
    found = look("http.ok", url=site.url)
    assert isinstance(found, Unknown)
    assert "longer than" in found.why


def test_a_name_that_nobody_knows_is_unknown(look: Look) -> None:
    assert isinstance(look("http.ok", url="http://[::ffff:256.1.1.1]/"), Unknown)


def test_redirects_are_followed_only_when_asked(look: Look, site: Site) -> None:
    site.status, site.headers = 302, {"location": "/elsewhere"}
    assert look("http.status", url=site.url) == Known(value=302)
    assert site.requests == ["/"]
    assert isinstance(look("http.status", url=site.url, follow_redirects=True), Unknown)
    assert "/elsewhere" in site.requests


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "http://", "http://user:secret@127.0.0.1/"]
)
def test_other_addresses_are_refused(look: Look, url: str) -> None:
    found = look("http.ok", url=url)
    assert isinstance(found, Unknown)
    assert "cannot be aimed" in found.why
    assert "secret@" not in found.why


def test_a_method_that_writes_is_refused(look: Look, site: Site) -> None:
    assert isinstance(look("http.ok", url=site.url, method="POST"), Unknown)
    assert site.requests == []
    assert look("http.status", url=site.url, method="HEAD") == Known(value=200)


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", Known(value={"orders": [{"state": "paid"}], "a/b": 1, "~": None})),
        ("/orders/0/state", Known(value="paid")),
        ("/a~1b", Known(value=1)),
        ("/~0", Known(value=None)),
        ("/orders/1", Unknown(why="there is nothing at /orders/1")),
        ("/orders/-1", Unknown(why="there is nothing at /orders/-1")),
        ("/orders/state", Unknown(why="there is nothing at /orders/state")),
    ],
)
def test_a_pointer_leads_into_json(look: Look, site: Site, pointer: str, expected: Known | Unknown) -> None:
    site.body = b'{"orders": [{"state": "paid"}], "a/b": 1, "~": null}'
    assert look("http.json", url=site.url, pointer=pointer) == expected


@pytest.mark.parametrize("body", [b"<html>", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
def test_what_is_not_json_is_unknown(look: Look, site: Site, body: bytes) -> None:
    site.body = body
    found = look("http.json", url=site.url)
    assert isinstance(found, Unknown)
    assert found.why.startswith("the answer is not JSON")


def test_the_environment_does_not_choose_the_way(look: Look, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert look("http.ok", url=site.url) == Known(value=True)


def test_a_number_in_json_that_its_declared_unit_does_not_have_is_unknown(look: Look, site: Site) -> None:
    site.body = b'{"error_share": -0.5, "done": "0.5"}'
    asked = {"url": site.url, "pointer": "/error_share"}
    assert look("http.json", **asked) == Known(value=-0.5)
    for pointer, seen in (("/error_share", "-0.5"), ("/done", "'0.5'")):
        refused = look("http.json", url=site.url, pointer=pointer, unit="share")
        assert isinstance(refused, Unknown)
        assert (
            refused.why == f"the value at {pointer} is declared a share, which is a number from 0 to 1, and is {seen}"
        )


@pytest.mark.parametrize("probe", ["http.status", "http.ok", "http.latency_ms", "http.json"])
def test_an_answer_out_of_a_cache_is_as_old_as_the_service_says(look: Look, site: Site, probe: str) -> None:
    site.body = b"{}"
    for age, oldest_s in (("40", 40), ("0040", 40), ("9" * 5000, 2**31)):
        site.headers = {"age": age}
        found = look(probe, url=site.url)
        assert isinstance(found, Known)
        assert found.as_of is not None
        assert found.as_of <= datetime.now(UTC) - timedelta(seconds=oldest_s)
    site.headers = {"age": "0"}
    fresh = look(probe, url=site.url)
    assert isinstance(fresh, Known)
    assert fresh.as_of is None, "the service answered itself"
