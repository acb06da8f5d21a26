"""Probes of metrics that an application publishes as Prometheus text or OpenMetrics.

Absent is not zero: a series that is not there, a counter that went back, a ratio without traffic and a page that cannot
be had are all unknown. A rate or ratio looks at the increase since its own previous read, so the first read begins it
and is unknown too.

A sample may carry a time of its own, by the clock of whoever measured it. Then the answer is as of that time, and
a page that repeats its samples is answered as before: whoever judges sees that nothing new was measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from operator import not_
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
from grace.sense.collectors.units import Unit, in_its_unit
from grace.sense.collectors.viewpoint import Viewpoint

_OK: Final = 200
_FIRST: Final = "this is the first reading, and an increase needs two"
_PATTERN: Final = "=~"
_SKEW_S: Final = 1.0
"""How far ahead of this machine's clock a sample's own time may be: clocks differ, but nothing is measured tomorrow."""


class Series(ProbeParameters):
    """Series by name and labels; a label value that begins with `=~` is a regular expression for the whole value."""

    name: str = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)


class Scraped(Page):
    """Where the metrics are; a sample with a time of its own must not be older than `stale_after`."""

    stale_after: Duration = Field(default=30.0, gt=0)


class Value(Scraped, Series):
    """One series: where several match, the labels must say which."""

    unit: Unit | None = None


class Rate(Scraped, Series):
    """All matching counters, added."""


class Ratio(Scraped):
    """The increase of one group of counters as a share of another's."""

    numerator: Series
    denominator: Series
    absent_numerator: Literal["unknown", "zero"] = "unknown"
    """`zero` for services that create a series with its first event, such as the first failed request."""
    unit: Unit | None = None


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
    untimely: tuple[Sample, ...] = ()
    """Samples whose own time is too long ago, or ahead of this machine's clock."""
    read_at_s: float = 0.0
    """When it was had, as seconds since 1970."""
    counters: frozenset[str] = frozenset()
    """The names of what the page itself declares to be counters."""
    as_of_s: float | None = None
    """When a cache on the way had the page from the service, as seconds since 1970."""


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
                    lambda given: Increases(given, (given,), self._viewpoint, _rate),
                ),
                TypedProbe(
                    ProbeSpec("metrics.ratio", "The share of one increase in another.", Ratio, Answers.NUMBER),
                    Ratio,
                    lambda given: Increases(given, (given.numerator, given.denominator), self._viewpoint, _ratio),
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
                    return in_its_unit(_single(page, given), given.unit, given.name)

        return Reads(given.timeout + OVERTIME_S, read)


class Increases(Generic[S]):
    """A meter that compares each page with the one before it, or the last that had something new."""

    def __init__(
        self,
        given: S,
        series: tuple[Series, ...],
        viewpoint: Viewpoint,
        compare: Callable[[S, Scrape, Scrape], Known | Unknown],
    ) -> None:
        self._given = given
        self._series = series
        self._viewpoint = viewpoint
        self._compare = compare
        self._before: Scrape | None = None
        self._found: Known | Unknown = unknown(_FIRST)

    @property
    def limit_s(self) -> float:
        return self._given.timeout + OVERTIME_S

    def read(self) -> Known | Unknown:
        before, self._before = self._before, None
        now = scrape(self._given, self._viewpoint)
        if isinstance(now, Unknown):
            return now
        self._before = now
        own = oldest_of(now, self._series)
        if before is None:
            self._found = unknown(_FIRST)
        elif own is not None and own == oldest_of(before, self._series):
            self._before = before
        else:
            self._found = _as_of(self._compare(self._given, before, now), own)
        return self._found


def oldest_of(page: Scrape, series: Iterable[Series]) -> float | None:
    """Return the oldest time that a page gives to any sample of these series, as seconds since 1970."""
    times = (sample.timestamp for one in series for sample in _matching(page.samples, one))
    return min((float(time) for time in (*times, page.as_of_s) if time is not None), default=None)


def _as_of(found: Known | Unknown, own: float | None) -> Known | Unknown:
    if own is None or isinstance(found, Unknown):
        return found
    return Known(value=found.value, as_of=datetime.fromtimestamp(own, UTC))


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
        families = tuple(parse(page.body.decode("utf-8")))
    except (ValueError, KeyError, IndexError) as error:
        return unknown(without(page.secrets, f"{given.url} is not metrics text: {error}"))
    samples = tuple(sample for family in families for sample in family.samples)
    counters = frozenset(sample.name for family in families if family.type == "counter" for sample in family.samples)
    now_s = viewpoint.clock.now().timestamp()
    timely = [_is_timely(sample, now_s, given.stale_after) for sample in samples]
    as_of_s = None if page.as_of is None else page.as_of.timestamp()
    if as_of_s is not None and as_of_s < now_s - given.stale_after:
        return unknown(f"{given.url} is answered by a cache, {now_s - as_of_s:.0f} s old")
    untimely = tuple(compress(samples, map(not_, timely)))
    return Scrape(tuple(compress(samples, timely)), at_s, untimely, now_s, counters, as_of_s)


def _is_timely(sample: Sample, now_s: float, stale_after_s: float) -> bool:
    return sample.timestamp is None or now_s - stale_after_s <= float(sample.timestamp) <= now_s + _SKEW_S


def select(samples: Iterable[Sample], series: Series) -> dict[Labels, float]:
    """Return the values of all series that match, by their labels."""
    return {frozenset(sample.labels.items()): sample.value for sample in _matching(samples, series)}


def _matching(samples: Iterable[Sample], series: Series) -> Iterator[Sample]:
    for sample in samples:
        if sample.name == series.name and all(
            _fits(sample.labels.get(key), asked) for key, asked in series.labels.items()
        ):
            yield sample


def _fits(value: str | None, asked: str) -> bool:
    if value is None:
        return False
    return re.fullmatch(asked[len(_PATTERN) :], value) is not None if asked.startswith(_PATTERN) else value == asked


def _single(page: Scrape, series: Series) -> Known | Unknown:
    if ahead := _ahead(page, series):
        return ahead
    match list(select(page.samples, series).values()):
        case [value] if value < 0 and series.name in page.counters:
            return unknown(_below_zero(series, value))
        case [value] if math.isfinite(value):
            return _as_of(Known(value=value), oldest_of(page, (series,)))
        case [value]:
            return unknown(f"{series.name} is {value}")
        case []:
            return unknown(_absent(page, series))
        case several:
            return unknown(f"{len(several)} series of {series.name} match; name more labels")


def _below_zero(series: Series, value: float) -> str:
    return f"{series.name} is a counter and stands at {value:g}, below zero"


def _ahead(page: Scrape, series: Series) -> Unknown | None:
    """Refuse series of which a sample is ahead of this machine's clock: nobody can say how old it is."""
    times = (float(sample.timestamp or 0) for sample in _matching(page.untimely, series))
    furthest_s = max(times, default=0.0) - page.read_at_s
    if furthest_s <= _SKEW_S:
        return None
    return unknown(f"the time of {series.name} is {furthest_s:.0f} s ahead of this machine's clock")


def _increase(series: Series, before: Scrape, now: Scrape) -> float | Absent | Unknown:
    """Return how much all matching counters grew together.

    A series that is new beside older ones began at zero, as counters do. One that went back or vanished means that the
    service began anew, and nothing can be said of the time between.
    """
    if ahead := _ahead(now, series):
        return ahead
    old, new = select(before.samples, series), select(now.samples, series)
    if not old or not new:
        return Absent(_absent(now, series), began=sum(new.values()))
    if any(labels not in new or new[labels] < value for labels, value in old.items()):
        return unknown(f"{series.name} began anew between two reads")
    if min(new.values()) < 0:
        return unknown(_below_zero(series, min(new.values())))
    grown = sum(value - old.get(labels, 0.0) for labels, value in new.items())
    return grown if math.isfinite(grown) else unknown(f"{series.name} is no finite number")


def _rate(given: Rate, before: Scrape, now: Scrape) -> Known | Unknown:
    elapsed_s = _elapsed_s(given, before, now)
    if elapsed_s <= 0:
        return unknown("no time has passed since the last read")
    match _increase(given, before, now):
        case Absent() | Unknown() as missing:
            return unknown(missing.why)
        case grown:
            return Known(value=grown / elapsed_s)


def _elapsed_s(given: Rate, before: Scrape, now: Scrape) -> float:
    """Return the time between two pages: by the samples' own times where they have any, else by the clock."""
    then, own = oldest_of(before, (given,)), oldest_of(now, (given,))
    return now.at_s - before.at_s if then is None or own is None else own - then


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
            return in_its_unit(Known(value=share / grown), given.unit, f"the ratio of {given.numerator.name}")


def _absent(page: Scrape, series: Series) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in series.labels.items())
    said = f"there is no fresh series {series.name}{{{labels}}}"
    times = [float(sample.timestamp or 0) for sample in _matching(page.untimely, series)]
    return f"{said}: its newest sample is {page.read_at_s - max(times):.0f} s old" if times else said
