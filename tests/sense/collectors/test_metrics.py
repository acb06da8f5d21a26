"""Metrics: absent is not zero, and a counter that goes back says nothing."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from grace.kit.clock import VirtualClock
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter
from grace.sense.collectors.eyes import Eyes
from grace.sense.collectors.metrics import MetricsCollector
from grace.sense.collectors.viewpoint import Viewpoint
from tests.sense.collectors.conftest import Look, Site

REQUESTS = "http_requests_total"
BY_STATUS = {
    "numerator": {"name": REQUESTS, "labels": {"status": "=~5.."}},
    "denominator": {"name": REQUESTS},
}


def page(**statuses: float) -> bytes:
    lines = [f"# TYPE {REQUESTS} counter"]
    lines += [f'{REQUESTS}{{status="{name.removeprefix("s")}"}} {count}' for name, count in statuses.items()]
    return "\n".join(lines).encode() + b"\n"


def moment(since_1970_ms: int) -> datetime:
    return datetime.fromtimestamp(since_1970_ms / 1000, UTC)


def why(found: Known | Unknown) -> str:
    assert isinstance(found, Unknown), found
    return found.why


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def aimed(clock: VirtualClock, probe: str, **parameters: Any) -> Meter:
    return Eyes([MetricsCollector(Viewpoint(clock))]).aim(probe, parameters)


class Ratio:
    """The error ratio of a site, read once for each page."""

    def __init__(self, site: Site, clock: VirtualClock, **more: Any) -> None:
        self._site = site
        self._meter = aimed(clock, "metrics.ratio", url=site.url, **BY_STATUS, **more)

    def read(self, **statuses: float) -> Known | Unknown:
        self._site.body = page(**statuses)
        return self._meter.read()


def test_a_value_is_one_series(look: Look, site: Site) -> None:
    site.body = b'queue_depth{queue="mail"} 4\nqueue_depth{queue="pay"} 7\nup 1\nload NaN\n'
    assert look("metrics.value", url=site.url, name="up") == Known(value=1)
    assert look("metrics.value", url=site.url, name="queue_depth", labels={"queue": "pay"}) == Known(value=7)
    assert look("metrics.value", url=site.url, name="queue_depth", labels={"queue": "=~m.*"}) == Known(value=4)
    assert "2 series of queue_depth match" in why(look("metrics.value", url=site.url, name="queue_depth"))
    assert "no fresh series depth{}" in why(look("metrics.value", url=site.url, name="depth"))
    assert "no fresh series" in why(look("metrics.value", url=site.url, name="queue_depth", labels={"shop": "a"}))
    assert "is nan" in why(look("metrics.value", url=site.url, name="load"))


def test_openmetrics_is_read_as_such(look: Look, site: Site) -> None:
    site.body = b"# TYPE jobs counter\njobs_total 5\n# EOF\n"
    site.headers = {"content-type": "application/openmetrics-text; version=1.0.0"}
    assert look("metrics.value", url=site.url, name="jobs_total") == Known(value=5)
    site.body = b"# TYPE jobs counter\njobs_total 5\n"
    assert "is not metrics text" in why(look("metrics.value", url=site.url, name="jobs_total"))


def test_a_stale_sample_is_absent(look: Look, site: Site) -> None:
    now_ms = int(time.time() * 1000)
    site.body = f"old 1 {now_ms - 60_000}\nnew 1 {now_ms}\n".encode()
    assert look("metrics.value", url=site.url, name="new") == Known(value=1, as_of=moment(now_ms))
    old = why(look("metrics.value", url=site.url, name="old"))
    assert old.startswith("there is no fresh series old{}: its newest sample is 6")
    assert old.endswith(" s old")
    kept = look("metrics.value", url=site.url, name="old", stale_after="2m")
    assert kept == Known(value=1, as_of=moment(now_ms - 60_000))


@pytest.mark.parametrize("probe", ["metrics.value", "metrics.rate"])
def test_a_sample_from_the_future_is_unknown(site: Site, clock: VirtualClock, probe: str) -> None:
    now_ms = int(clock.now().timestamp() * 1000)
    meter = aimed(clock, probe, url=site.url, name="errors")
    site.body = f"errors 0 {now_ms}\n".encode()
    meter.read()
    clock.advance(1)
    site.body = f"errors 0 {now_ms + 11 * 86_400_000}\n".encode()
    assert why(meter.read()) == "the time of errors is 950399 s ahead of this machine's clock"


def test_a_clock_that_differs_by_less_than_a_second_is_no_future(site: Site, clock: VirtualClock) -> None:
    ahead_ms = int(clock.now().timestamp() * 1000) + 900
    site.body = f"errors 3 {ahead_ms}\n".encode()
    found = aimed(clock, "metrics.value", url=site.url, name="errors").read()
    assert found == Known(value=3, as_of=moment(ahead_ms))


def test_a_rate_goes_by_the_times_of_its_samples_and_repeats_itself_with_them(site: Site, clock: VirtualClock) -> None:
    meter = aimed(clock, "metrics.rate", url=site.url, name=REQUESTS)
    first_ms = int(clock.now().timestamp() * 1000)
    site.body = f"{REQUESTS} 10 {first_ms}\n".encode()
    for _ in range(2):
        assert "first reading" in why(meter.read()), "the same page again is still the first measurement"
        clock.advance(3)
    site.body = f"{REQUESTS} 20 {first_ms + 5000}\n".encode()
    seen = Known(value=2, as_of=moment(first_ms + 5000))
    assert meter.read() == seen
    clock.advance(1)
    assert meter.read() == seen, "nothing happened since, or nothing was measured: the time tells"


def test_a_ratio_is_as_of_its_oldest_part(site: Site, clock: VirtualClock) -> None:
    ratio = aimed(clock, "metrics.ratio", url=site.url, **BY_STATUS)
    first_ms = int(clock.now().timestamp() * 1000)

    def read(good: int, bad: int, good_ms: int, bad_ms: int) -> Known | Unknown:
        lines = (f'{REQUESTS}{{status="200"}} {good} {good_ms}', f'{REQUESTS}{{status="500"}} {bad} {bad_ms}', "")
        site.body = "\n".join(lines).encode()
        return ratio.read()

    read(90, 10, first_ms, first_ms)
    clock.advance(2)
    assert read(99, 11, first_ms + 2000, first_ms + 1000) == Known(value=0.1, as_of=moment(first_ms + 1000))
    clock.advance(2)
    frozen = read(200, 11, first_ms + 4000, first_ms + 1000)
    assert frozen == Known(value=0.1, as_of=moment(first_ms + 1000)), "the failures were not counted anew"


@pytest.mark.parametrize("body", [b"this is { not metrics", b"up one", b"\xff\xfe", b'up{a="b" 1'])
def test_what_is_no_metrics_text_is_unknown(look: Look, site: Site, body: bytes) -> None:
    site.body = body
    assert "is not metrics text" in why(look("metrics.value", url=site.url, name="up"))


def test_a_page_that_cannot_be_had_is_unknown(look: Look, site: Site) -> None:
    site.status = 500
    assert why(look("metrics.value", url=site.url, name="up")).endswith("answers with status 500")


def test_a_rate_begins_with_its_first_read(site: Site, clock: VirtualClock) -> None:
    meter = aimed(clock, "metrics.rate", url=site.url, name=REQUESTS)
    site.body = page(s200=10, s500=1)
    assert "first reading" in why(meter.read())
    clock.advance(4)
    site.body = page(s200=18, s500=3)
    assert meter.read() == Known(value=2.5)
    assert why(meter.read()) == "no time has passed since the last read"
    clock.advance(2)
    assert meter.read() == Known(value=0)


def test_a_rate_is_begun_anew_after_a_reset_or_a_failure(site: Site, clock: VirtualClock) -> None:
    meter = aimed(clock, "metrics.rate", url=site.url, name=REQUESTS)
    site.body = page(s200=10)
    meter.read()
    clock.advance(1)
    site.body = page(s200=3)
    assert "began anew" in why(meter.read())
    clock.advance(1)
    site.body = page(s200=5)
    assert meter.read() == Known(value=2)
    site.status = 503
    assert "status 503" in why(meter.read())
    site.status = 200
    assert "first reading" in why(meter.read())


def test_a_ratio_is_of_what_happened_since_the_last_read(site: Site, clock: VirtualClock) -> None:
    ratio = Ratio(site, clock)
    assert "first reading" in why(ratio.read(s200=1000, s500=500))
    assert ratio.read(s200=1090, s500=510) == Known(value=0.1)
    assert ratio.read(s200=1100, s500=510) == Known(value=0)


def test_without_traffic_a_ratio_is_unknown(site: Site, clock: VirtualClock) -> None:
    ratio = Ratio(site, clock)
    ratio.read(s200=10, s500=5)
    assert why(ratio.read(s200=10, s500=5)) == f"{REQUESTS} did not grow: there was no traffic"


def test_an_absent_numerator_is_unknown_unless_it_is_said_to_be_zero(site: Site, clock: VirtualClock) -> None:
    strict, lenient = Ratio(site, clock), Ratio(site, clock, absent_numerator="zero")
    for ratio in (strict, lenient):
        ratio.read(s200=10)
    assert "no fresh series" in why(strict.read(s200=20))
    assert lenient.read(s200=20) == Known(value=0)
    assert lenient.read(s200=26, s500=4) == Known(value=0.4)


def test_an_absent_denominator_is_unknown_whatever_is_said(site: Site, clock: VirtualClock) -> None:
    ratio = Ratio(site, clock, absent_numerator="zero")
    ratio.read()
    assert "no fresh series" in why(ratio.read())


def test_a_service_that_began_anew_says_nothing_of_the_time_between(site: Site, clock: VirtualClock) -> None:
    ratio = Ratio(site, clock)
    ratio.read(s200=100, s500=10)
    assert "began anew" in why(ratio.read(s200=5, s500=10))
    assert ratio.read(s200=10, s500=15) == Known(value=0.5)
    assert "began anew" in why(ratio.read(s200=20))


def test_a_new_status_beside_known_ones_counts_from_zero(site: Site, clock: VirtualClock) -> None:
    ratio = Ratio(site, clock)
    ratio.read(s200=10, s500=1)
    assert ratio.read(s200=18, s500=2, s503=1) == Known(value=0.2)


@pytest.mark.parametrize(
    ("unit", "value", "is_known"),
    [
        ("share", "0", True),
        ("share", "1", True),
        ("share", "1.01", False),
        ("share", "-0.2", False),
        ("percent", "100", True),
        ("percent", "101", False),
        ("count", "250", True),
        ("count", "-1", False),
    ],
)
def test_a_number_that_its_declared_unit_does_not_have_is_unknown(
    look: Look, site: Site, unit: str, value: str, *, is_known: bool
) -> None:
    site.body = f"errors {value}\n".encode()
    assert look("metrics.value", url=site.url, name="errors") == Known(value=float(value)), "nothing is guessed"
    found = look("metrics.value", url=site.url, name="errors", unit=unit)
    assert found == Known(value=float(value)) if is_known else f"errors is declared a {unit}" in why(found)


def test_a_ratio_that_is_declared_a_share_is_none_above_one(site: Site, clock: VirtualClock) -> None:
    spans = {"numerator": {"name": "seconds"}, "denominator": {"name": "requests"}}
    mean = aimed(clock, "metrics.ratio", url=site.url, **spans)
    share = aimed(clock, "metrics.ratio", url=site.url, unit="share", **spans)
    for seconds, requests in ((1, 1), (31, 11)):
        site.body = f"seconds {seconds}\nrequests {requests}\n".encode()
        found, refused = mean.read(), share.read()
    assert found == Known(value=3)
    assert why(refused) == "the ratio of seconds is declared a share, which is a number from 0 to 1, and is 3.0"


def test_a_counter_below_zero_is_unknown(look: Look, site: Site, clock: VirtualClock) -> None:
    site.body = b"# TYPE errors_total counter\nerrors_total -3\n# TYPE depth gauge\ndepth -3\n"
    assert why(look("metrics.value", url=site.url, name="errors_total")).endswith("stands at -3, below zero")
    assert look("metrics.value", url=site.url, name="depth") == Known(value=-3)
    ratio = Ratio(site, clock)
    ratio.read(s200=10, s500=-9)
    assert "below zero" in why(ratio.read(s200=30, s500=-8))


def test_a_page_out_of_a_cache_is_as_old_as_the_cache_says(look: Look, site: Site) -> None:
    site.body = b"errors 0\n"
    site.headers = {"age": "5"}
    found = look("metrics.value", url=site.url, name="errors")
    assert isinstance(found, Known)
    assert found.as_of is not None
    site.headers = {"age": "50"}
    assert why(look("metrics.value", url=site.url, name="errors")).endswith("is answered by a cache, 50 s old")
