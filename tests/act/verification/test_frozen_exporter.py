"""A real exporter that stands still, read by the real probe, proves nothing of what was done."""

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from grace.act.verification.judge import judge
from grace.act.verification.sampler import Sampler
from grace.kit.clock import SystemClock
from grace.model.contract import Comparator
from grace.model.reading import Unknown
from grace.model.verdict import Finding, Verdict
from grace.sense.collectors.eyes import Eyes
from grace.sense.collectors.metrics import MetricsCollector
from grace.sense.collectors.viewpoint import Viewpoint
from tests.act.verification.tape import clause, contract

CLOCK = SystemClock()


@contextmanager
def exporter(*, stands_still: bool) -> Generator[str]:
    """Serve one healthy value with a time: that of the start for ever, or that of the request."""
    began_ms = int(CLOCK.now().timestamp() * 1000)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now_ms = began_ms if stands_still else int(CLOCK.now().timestamp() * 1000)
            body = f"errors 0 {now_ms}\n".encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def verdict_over(url: str) -> Verdict:
    """Judge what the exporter says after an execution that did nothing and took a moment."""
    errors = clause(
        probe="metrics.value",
        parameters={"url": url, "name": "errors"},
        comparator=Comparator.AT_MOST,
        expected=0.01,
        within_s=3.0,
        for_s=0.4,
        every_s=0.1,
    )
    with Eyes([MetricsCollector(Viewpoint(CLOCK))]) as eyes:
        async with Sampler(eyes, CLOCK).watch(contract(errors)) as watch:
            await CLOCK.wait(0.05)
            seen = await watch.see_out()
    return judge(contract(errors), seen)


@pytest.mark.parametrize("stands_still", [True, False])
async def test_only_an_exporter_that_still_measures_proves_anything(*, stands_still: bool) -> None:
    with exporter(stands_still=stands_still) as url:
        verdict = await verdict_over(url)
    if not stands_still:
        assert verdict.finding is Finding.MET, verdict.why
        return
    assert verdict.finding is Finding.INCONCLUSIVE
    (result,) = verdict.clauses
    assert result.actual is not None
    assert isinstance(result.actual.found, Unknown)
    assert result.actual.found.why.endswith("UTC, before the execution ended")
