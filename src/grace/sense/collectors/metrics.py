"""Probes of metrics that an application publishes as Prometheus text or OpenMetrics.

Absent is not zero: a series that is not there, a counter that went back, a ratio without traffic and a page that cannot
be had are all unknown. A rate or ratio looks at the increase since its own previous read, so the first read begins it
and is unknown too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeAlias, TypeVar, cast

from prometheus_client import parser as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.samples import Sample
from pydantic import Field

from grace.kit.secret_references import without
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import Duration
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.fetching import Fetched, NotFetched, Page, fetch
from grace.sense.collectors.meters import OVERTIME_S, ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

_OK: Final = 200
_PATTERN: Final = "=~"


class Series(ProbeParameters):
    """Series by name and labels; a label value that begins with `=~` is a regular expression for the whole value."""

    name: str = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)


class Scraped(Page):
    """Where the metrics are; a sample with a time of its own must not be older than `stale_after`."""

    stale_after: Duration = Field(default=30.0, gt=0)


class Value(Scraped, Series):
    """One series: where several match, the labels must say which."""


class Rate(Scraped, Series):
    """All matching counters, added."""


class Ratio(Scraped):
    """The increase of one group of counters as a share of another's."""

    numerator: Series
    denominator: Series
    absent_numerator: Literal["unknown", "zero"] = "unknown"
    """`zero` for services that create a series with its first event, such as the first failed request."""


S = TypeVar("S", bound=Scraped)


Labels: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Absent:
    """No series matched in one of two pages; `began` is what they count now, if they are new."""

    why: str
    began: float


@dataclass(frozen=True, slots=True)
class Scrape:
    """One page of metrics, and when it was had on the clock that never goes back."""

    samples: tuple[Sample, ...]
    at_s: float


class MetricsCollector:
    """`metrics.value`, `metrics.rate` and `metrics.ratio`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._viewpoint = viewpoint

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                TypedProbe(
                    ProbeSpec("metrics.value", "The value of one series.", Value, Answers.NUMBER), Value, self._value
                ),
                TypedProbe(
                    ProbeSpec("metrics.rate", "The increase a second of counters.", Rate, Answers.NUMBER, unit="1/s"),
                    Rate,
                    lambda given: Increases(given, self._viewpoint, _rate),
                ),
                TypedProbe(
                    ProbeSpec("metrics.ratio", "The share of one increase in another.", Ratio, Answers.NUMBER),
                    Ratio,
                    lambda given: Increases(given, self._viewpoint, _ratio),
                ),
            ]
        )

    def close(self) -> None:
        """End nothing: every read has a connection of its own."""

    def _value(self, given: Value) -> Meter:
        def read() -> Known | Unknown:
            match scrape(given, self._viewpoint):
                case Unknown() as why:
                    return why
                case page:
                    return _single(select(page.samples, given), given)

        return Reads(given.timeout + OVERTIME_S, read)


class Increases(Generic[S]):
    """A meter that compares each page with the one before it."""

    def __init__(self, given: S, viewpoint: Viewpoint, compare: Callable[[S, Scrape, Scrape], Known | Unknown]) -> None:
        self._given = given
        self._viewpoint = viewpoint
        self._compare = compare
        self._before: Scrape | None = None

    @property
    def limit_s(self) -> float:
        return self._given.timeout + OVERTIME_S

    def read(self) -> Known | Unknown:
        before, self._before = self._before, None
        now = scrape(self._given, self._viewpoint)
        if isinstance(now, Unknown):
            return now
        self._before = now
        if before is None:
            return unknown("this is the first reading, and an increase needs two")
        return self._compare(self._given, before, now)


def scrape(given: Scraped, viewpoint: Viewpoint) -> Scrape | Unknown:
    """Get and parse one page; samples that carry a time must be fresh."""
    match fetch(given, viewpoint):
        case NotFetched(why=why):
            return unknown(f"{given.url}: {why}")
        case Fetched(status=status) if status != _OK:
            return unknown(f"{given.url} answers with status {status}")
        case page:
            at_s = viewpoint.clock.monotonic()
    parser = openmetrics if "openmetrics" in page.content_type else prometheus
    parse = cast("Callable[[str], Iterable[Metric]]", parser.text_string_to_metric_families)  # pyright: ignore[reportUnknownMemberType]
    try:
        samples = tuple(sample for family in parse(page.body.decode("utf-8")) for sample in family.samples)
    except (ValueError, KeyError, IndexError) as error:
        return unknown(without(page.secrets, f"{given.url} is not metrics text: {error}"))
    oldest_s = viewpoint.clock.now().timestamp() - given.stale_after
    fresh = (sample for sample in samples if sample.timestamp is None or float(sample.timestamp) >= oldest_s)
    return Scrape(tuple(fresh), at_s)


def select(samples: Iterable[Sample], series: Series) -> dict[Labels, float]:
    """Return the values of all series that match, by their labels."""
    return {
        frozenset(sample.labels.items()): sample.value
        for sample in samples
        if sample.name == series.name
        and all(_fits(sample.labels.get(key), asked) for key, asked in series.labels.items())
    }


def _fits(value: str | None, asked: str) -> bool:
    if value is None:
        return False
    return re.fullmatch(asked[len(_PATTERN) :], value) is not None if asked.startswith(_PATTERN) else value == asked


def _single(found: dict[Labels, float], series: Series) -> Known | Unknown:
    match list(found.values()):
        case [value] if math.isfinite(value):
            return Known(value=value)
        case [value]:
            return unknown(f"{series.name} is {value}")
        case []:
            return unknown(_absent(series))
        case several:
            return unknown(f"{len(several)} series of {series.name} match; name more labels")


def _increase(series: Series, before: Scrape, now: Scrape) -> float | Absent | Unknown:
    """Return how much all matching counters grew together.

    A series that is new beside older ones began at zero, as counters do. One that went back or vanished means that the
    service began anew, and nothing can be said of the time between.
    """
    old, new = select(before.samples, series), select(now.samples, series)
    if not old or not new:
        return Absent(_absent(series), began=sum(new.values()))
    if any(labels not in new or new[labels] < value for labels, value in old.items()):
        return unknown(f"{series.name} began anew between two reads")
    grown = sum(value - old.get(labels, 0.0) for labels, value in new.items())
    return grown if math.isfinite(grown) else unknown(f"{series.name} is no finite number")


def _rate(given: Rate, before: Scrape, now: Scrape) -> Known | Unknown:
    elapsed_s = now.at_s - before.at_s
    if elapsed_s <= 0:
        return unknown("no time has passed since the last read")
    match _increase(given, before, now):
        case Absent() | Unknown() as missing:
            return unknown(missing.why)
        case grown:
            return Known(value=grown / elapsed_s)


def _ratio(given: Ratio, before: Scrape, now: Scrape) -> Known | Unknown:
    whole = _increase(given.denominator, before, now)
    part = _increase(given.numerator, before, now)
    if isinstance(part, Absent) and given.absent_numerator == "zero":
        part = part.began
    match whole, part:
        case (Absent() | Unknown() as missing, _) | (_, Absent() | Unknown() as missing):
            return unknown(missing.why)
        case grown, share:
            if grown <= 0:
                return unknown(f"{given.denominator.name} did not grow: there was no traffic")
            return Known(value=share / grown)


def _absent(series: Series) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in series.labels.items())
    return f"there is no fresh series {series.name}{{{labels}}}"
