"""What services tell over HTTP, asked of real servers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest

from grace.kit.clock import SystemClock
from grace.kit.procfs import Endpoint
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.discovery.pages import SILENT, base_url, error_rate, read_metrics_at, read_pages

VIEWPOINT = Viewpoint(SystemClock())
COUNTED = 'shop_requests_total{status="200"} 9\nshop_requests_total{status="503"} 1\n'


@contextmanager
def _serving(pages: Mapping[str, str], asked: list[str]) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            page = pages.get(self.path.partition("?")[0])
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the library gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_metrics_page_and_the_first_health_page_that_answers_are_found() -> None:
    asked: list[str] = []
    with _serving({"/metrics": COUNTED, "/health": "ok"}, asked) as base:
        found = read_pages(base, VIEWPOINT)
    assert found.metrics == f"{base}/metrics"
    assert found.error_rate
    assert (found.error_rate.numerator, found.error_rate.label) == ("shop_requests_total", "status")
    assert found.health == f"{base}/health"
    assert not found.is_prometheus
    assert {one.split()[0] for one in asked} == {"GET"}
    assert set(asked) == {"GET /metrics", "GET /healthz", "GET /health"}


def test_a_page_that_is_no_metrics_is_never_quoted() -> None:
    with _serving({"/metrics": '{"password": "hunter22 {}"}', "/": "hello"}, []) as base:
        found = read_pages(base, VIEWPOINT)
    assert (found.metrics, found.error_rate, found.health) == ("", None, f"{base}/")
    assert "hunter22" not in found.why_no_rate


def test_what_speaks_no_http_is_asked_once_and_left_alone() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        heard: list[bytes] = []

        def answer() -> None:
            connection, _ = listener.accept()
            heard.append(connection.recv(65_536))
            connection.sendall(b"-ERR unknown command\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        found = read_pages(f"http://127.0.0.1:{listener.getsockname()[1]}", VIEWPOINT)
        thread.join()
    assert found == SILENT
    assert heard[0].startswith(b"GET /metrics ")


def test_a_prometheus_is_known_by_its_own_api_and_says_where_pages_are() -> None:
    with ExitStack() as stack:
        shop = stack.enter_context(_serving({"/internal/stats": COUNTED}, []))
        answer = {"status": "success", "data": {"version": "2.42.0"}}
        targets = {"status": "success", "data": {"activeTargets": [{"scrapeUrl": f"{shop}/internal/stats"}]}}
        pages = {
            "/metrics": 'prometheus_build_info{version="2.42.0"} 1\n',
            "/api/v1/status/buildinfo": json.dumps(answer),
            "/api/v1/targets": json.dumps(targets),
        }
        asked: list[str] = []
        prometheus = read_pages(stack.enter_context(_serving(pages, asked)), VIEWPOINT)
        assert prometheus.is_prometheus
        assert prometheus.targets == (f"{shop}/internal/stats",)
        first = read_pages(shop, VIEWPOINT)
        assert first.metrics == ""
        found = read_metrics_at(shop, prometheus.targets, first, VIEWPOINT)
        assert found.metrics == f"{shop}/internal/stats"
        assert found.error_rate
    assert {one.split()[0] for one in asked} == {"GET"}


def test_a_page_that_only_names_prometheus_is_none() -> None:
    with _serving({"/metrics": "prometheus_build_info 1\n"}, []) as base:
        assert not read_pages(base, VIEWPOINT).is_prometheus


SAMPLES: list[tuple[list[tuple[str, dict[str, str]]], tuple[str, str, str] | None]] = [
    ([("http_requests_total", {"code": "200"})], ("http_requests_total", "http_requests_total", "code")),
    ([("jobs_total", {}), ("jobs_failed_total", {})], ("jobs_failed_total", "jobs_total", "")),
    ([("errors_total", {}), ("requests_total", {})], ("errors_total", "requests_total", "")),
    ([("a_errors_total", {}), ("b_requests_total", {})], None),
    ([("promhttp_metric_handler_requests_total", {"code": "200"})], None),
    ([("shop_orders_total", {"status": "open"})], None),
    ([("temperature", {"status": "200"})], None),
    ([], None),
]


@pytest.mark.parametrize(("samples", "expected"), SAMPLES)
def test_an_error_rate_needs_counters_that_belong_together(
    samples: list[tuple[str, dict[str, str]]], expected: tuple[str, str, str] | None
) -> None:
    found = error_rate("http://127.0.0.1:1/metrics", samples)
    assert (found and (found.numerator, found.denominator, found.label)) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("127.0.0.53", "http://127.0.0.53:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("10.0.0.7", None),
        ("fe80::1", None),
    ],
)
def test_only_this_machine_is_asked(address: str, expected: str | None) -> None:
    assert base_url(Endpoint(ip_address(address), 80)) == expected
