"""Get a page over HTTP within limits: of time in all, of size, of where it may lead."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, Self, TypeAlias
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field, model_validator

from grace.kit.clock import Clock
from grace.kit.secret_references import PlainHeaders, SecretHeaders, Unfilled, fill_headers, named_twice, without
from grace.model.quantities import Duration
from grace.sense.collectors.meters import ProbeParameters
from grace.sense.collectors.viewpoint import Viewpoint

_STANDARD: Final = {"user-agent": "grace-probe", "accept-encoding": "identity"}
_LONGEST_AGE: Final = 10
_OLDEST_S: Final = 2**31
"""What RFC 9111 takes for an age that is too long to be counted."""
_LONGEST_BODY_BYTES: Final = 4 * 1024 * 1024


def _plain_url(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"not an http or https address: {written!r}"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None:
        message = "an address carries no user or password: it would be written into plans and ledgers"
        raise ValueError(message)
    return written


Url: TypeAlias = Annotated[str, AfterValidator(_plain_url)]


class Page(ProbeParameters):
    """Where to look and how long to wait. Nothing is followed unless asked for."""

    url: Url
    method: str = Field(default="GET", pattern="^(GET|HEAD)$")
    timeout: Duration = Field(default=5.0, gt=0, le=60)
    follow_redirects: bool = False
    headers: PlainHeaders
    headers_from: SecretHeaders

    @model_validator(mode="after")
    def _keeps_its_secrets(self) -> Self:
        if named_twice(self.headers, self.headers_from):
            message = "a header is given twice"
            raise ValueError(message)
        if self.headers_from and self.follow_redirects:
            message = "a secret is not carried to wherever a server points: name the last address, or no `headers_from`"
            raise ValueError(message)
        return self


class Failure(StrEnum):
    """Why there is no page."""

    REFUSED = "refused"
    BROKEN = "broken"
    TIMED_OUT = "timed_out"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back, and how long it took from the request to the end of the body."""

    status: int
    content_type: str
    body: bytes
    took_s: float
    secrets: tuple[str, ...] = ()
    """What must not be told of the body, should the server repeat it."""
    as_of: datetime | None = None
    """When a cache on the way had it from the service; None where the service answered itself."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """What kept the page away."""

    failure: Failure
    why: str


def fetch(page: Page, viewpoint: Viewpoint) -> Fetched | NotFetched:
    """Get the page on a connection of its own; time-outs, refusals and too large bodies come back as values.

    Secrets are read now, sent, and told nobody: a reference that names none keeps the page away.
    """
    filled = fill_headers(page.headers_from, viewpoint.secret)
    if isinstance(filled, Unfilled):
        return NotFetched(Failure.OTHER, filled.why)
    given = {name.lower(): value for name, value in page.headers.items()}
    fetched = _fetch(page, {**_STANDARD, **given, **filled.headers}, viewpoint.clock)
    match fetched:
        case NotFetched(why=why):
            return replace(fetched, why=without(filled.values, why))
        case Fetched():
            return replace(fetched, secrets=filled.values)


def _fetch(page: Page, headers: dict[str, str], clock: Clock) -> Fetched | NotFetched:
    began_s = clock.monotonic()
    try:
        with (
            httpx.Client(
                verify=_tls() if page.url.startswith("https:") else False,  # without TLS there is nothing to verify
                timeout=page.timeout,
                follow_redirects=page.follow_redirects,
                trust_env=False,
                headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            ) as client,
            client.stream(page.method, page.url) as response,
        ):
            return _whole(response, page, clock, began_s)
    except httpx.TimeoutException:
        return NotFetched(Failure.TIMED_OUT, f"no answer within {page.timeout:g} s")
    except httpx.ConnectError as error:
        refused = "refused" in str(error).lower()
        return NotFetched(Failure.REFUSED if refused else Failure.OTHER, f"cannot connect: {error}")
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
        return NotFetched(Failure.BROKEN, f"the connection broke: {error or type(error).__name__}")
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return NotFetched(Failure.OTHER, f"{type(error).__name__}: {error}")


def _whole(response: httpx.Response, page: Page, clock: Clock, began_s: float) -> Fetched | NotFetched:
    """Read the body; a server that drips it, or never ends, is cut off."""
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _LONGEST_BODY_BYTES:
            return NotFetched(Failure.OTHER, f"the body is longer than {_LONGEST_BODY_BYTES} bytes")
        if clock.monotonic() - began_s > page.timeout:
            return NotFetched(Failure.TIMED_OUT, f"the body did not end within {page.timeout:g} s")
    content_type = response.headers.get("content-type", "")
    took_s = clock.monotonic() - began_s
    return Fetched(response.status_code, content_type, bytes(body), took_s, as_of=_out_of_a_cache(response, clock))


def _out_of_a_cache(response: httpx.Response, clock: Clock) -> datetime | None:
    """Read from `Age` (RFC 9111) that a cache answered, and when the service did.

    Most caches keep its `Date`, some write their own: the earlier of both accounts counts.
    """
    age = response.headers.get("age", "")
    if not (age.isascii() and age.isdecimal()) or not age.strip("0"):
        return None
    counted = clock.now() - timedelta(seconds=int(age) if len(age) < _LONGEST_AGE else _OLDEST_S)
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return counted
    return min(counted, date if date.tzinfo is not None else date.replace(tzinfo=UTC))


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Read the system's trusted authorities once: it takes tens of milliseconds."""
    return ssl.create_default_context()
