"""Pages: what a service tells about itself over HTTP. Only GET, only on this machine, only on ports that listen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grace.kit.procfs import Endpoint
from grace.model.reading import Unknown
from grace.sense.collectors.fetching import Failure, Fetched, NotFetched, Page, fetch
from grace.sense.collectors.metrics import Scrape, Scraped, scrape
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.discovery.findings import ErrorRate

METRICS: Final = "/metrics"
HEALTH: Final = ("/healthz", "/health", "/livez", "/")
_TIMEOUT_S: Final = 1.0
_OK: Final = 200
_STATUS_LABELS: Final = ("status", "code", "status_code", "http_status")
_STATUS: Final = re.compile(r"[1-5](?:\d\d|xx)")
_OF_THE_TOOLS: Final = re.compile(r"(?:promhttp|prometheus|go|python|process|scrape|net_conntrack)_")
"""Counters that count the metrics page itself."""
_FAILURES: Final = re.compile(r"(.*?)_?(?:errors?|failures?|failed)(?:_(?:requests?|calls?))?_total")
_BUILD: Final = "prometheus_build_info"
_COUNTS_NOTHING: Final = "has no counter of requests by status (yet: some begin with the first request)"
_COUNTS_PAGES: Final = "counts the reading of its own pages among its requests"
_HEALTH_OF_PROMETHEUS: Final = "/-/healthy"


@dataclass(frozen=True, slots=True)
class Pages:
    """What one endpoint answered."""

    speaks_http: bool
    metrics: str = ""
    error_rate: ErrorRate | None = None
    why_no_rate: str = ""
    health: str = ""
    is_prometheus: bool = False
    targets: tuple[str, ...] = ()
    """The pages that this Prometheus reads."""
    down: tuple[str, ...] = ()
    """Those that do not answer it, each with its reason."""


SILENT: Final = Pages(speaks_http=False)


def base_url(endpoint: Endpoint) -> str | None:
    """Return the address by which this machine reaches an endpoint itself; None where it listens for others only."""
    match endpoint.address:
        case IPv4Address() as at if at.is_loopback or at.is_unspecified:
            return f"http://{'127.0.0.1' if at.is_unspecified else at}:{endpoint.port}"
        case IPv6Address() as at if at.is_unspecified:
            return f"http://127.0.0.1:{endpoint.port}"
        case IPv6Address() as at if at.is_loopback:
            return f"http://[{at}]:{endpoint.port}"
        case _:
            return None


def read_pages(base: str, viewpoint: Viewpoint) -> Pages:
    """Get the metrics page and the first health page that answers; what speaks no HTTP is left alone at once."""
    first = fetch(_page(f"{base}{METRICS}"), viewpoint)
    if isinstance(first, NotFetched):
        return SILENT
    health = next((f"{base}{path}" for path in HEALTH if _answers(f"{base}{path}", viewpoint)), "")
    if first.status != _OK:
        return Pages(speaks_http=True, why_no_rate=f"{METRICS} answers with status {first.status}", health=health)
    return _with_metrics(base, METRICS, health, viewpoint)


def read_metrics_at(base: str, targets: Iterable[str], pages: Pages, viewpoint: Viewpoint) -> Pages:
    """Read the metrics page of an endpoint where a Prometheus says that it is; the path is taken, not the address."""
    for target in targets:
        parts = urlsplit(target)
        if parts.scheme == "http" and parts.port == urlsplit(base).port and parts.path.startswith("/"):
            return _with_metrics(base, parts.path, pages.health, viewpoint)
    return pages


def error_rate(url: str, samples: Iterable[tuple[str, Mapping[str, str]]]) -> ErrorRate | None:
    """Return which counters of a page tell the share of failed requests: by status, else errors beside requests."""
    known = [(name, labels) for name, labels in samples if not _OF_THE_TOOLS.match(name)]
    by_status = {
        (name, label)
        for name, labels in known
        if name.endswith(("_total", "_count"))
        for label in _STATUS_LABELS
        if _STATUS.fullmatch(labels.get(label, ""))
    }
    if by_status:
        name, label = min(by_status, key=lambda one: (not one[0].endswith("requests_total"), one))
        return ErrorRate(url, name, name, label, f"{name} counts requests by {label}")
    names = {name for name, _ in known}
    pairs = sorted((failed, whole) for failed in names for whole in _wholes(failed) if whole in names)
    if not pairs:
        return None
    return ErrorRate(url, pairs[0][0], pairs[0][1], "", f"{pairs[0][0]} beside {pairs[0][1]}")


def _wholes(failed: str) -> Iterator[str]:
    """Yield the names under which the whole of what failed may be counted."""
    found = _FAILURES.fullmatch(failed)
    prefix = f"{found[1]}_" if found and found[1] else ""
    if found:
        yield from (f"{prefix}requests_total", f"{prefix}total", f"{prefix}calls_total", f"{prefix}jobs_total")


def _with_metrics(base: str, path: str, health: str, viewpoint: Viewpoint) -> Pages:
    url = f"{base}{path}"
    match scrape(Scraped(url=url, timeout=_TIMEOUT_S, headers={}, headers_from={}), viewpoint):
        case Unknown():  # why is not told: it may quote the page
            return Pages(speaks_http=True, why_no_rate=f"{url} holds no metrics text", health=health)
        case Scrape(samples=()):
            return Pages(speaks_http=True, why_no_rate=f"{url} holds no metrics", health=health)
        case Scrape(samples=samples):
            told = [(one.name, one.labels) for one in samples]
    rate = error_rate(url, told)
    is_prometheus = any(name == _BUILD for name, _ in told) and _is_prometheus(base, viewpoint)
    why = "" if rate else f"{url} {_COUNTS_PAGES if is_prometheus else _COUNTS_NOTHING}"
    targets = _targets(base, viewpoint) if is_prometheus else ()
    if is_prometheus and _answers(f"{base}{_HEALTH_OF_PROMETHEUS}", viewpoint):
        health = f"{base}{_HEALTH_OF_PROMETHEUS}"
    return Pages(
        speaks_http=True,
        metrics=url,
        error_rate=rate,
        why_no_rate=why,
        health=health,
        is_prometheus=is_prometheus,
        targets=tuple(sorted({one.url for one in targets})),
        down=tuple(sorted({f"{one.url} ({one.error})" for one in targets if one.health == "down"})),
    )


def _page(url: str) -> Page:
    return Page(url=url, timeout=_TIMEOUT_S, headers={}, headers_from={})


def _answers(url: str, viewpoint: Viewpoint) -> bool:
    match fetch(_page(url), viewpoint):
        case Fetched(status=status):
            return status == _OK
        case NotFetched(failure=Failure()):
            return False


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _WireTarget(_Wire):
    url: str = Field(alias="scrapeUrl")
    health: str = "unknown"
    error: str = Field(alias="lastError", default="")


class _WireTargets(_Wire):
    active: tuple[_WireTarget, ...] = Field(alias="activeTargets", default=())


class _WireAnswer(_Wire):
    status: str
    data: _WireTargets = _WireTargets()


_ANSWER: Final = TypeAdapter(_WireAnswer)


def _is_prometheus(base: str, viewpoint: Viewpoint) -> bool:
    found = _ask(f"{base}/api/v1/status/buildinfo", viewpoint)
    return found is not None and found.status == "success"


def _targets(base: str, viewpoint: Viewpoint) -> tuple[_WireTarget, ...]:
    found = _ask(f"{base}/api/v1/targets?state=active", viewpoint)
    return found.data.active if found else ()


def _ask(url: str, viewpoint: Viewpoint) -> _WireAnswer | None:
    match fetch(_page(url), viewpoint):
        case Fetched(status=200, body=body):
            try:
                return _ANSWER.validate_json(body)
            except ValidationError:
                return None
        case _:
            return None
