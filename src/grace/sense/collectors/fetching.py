"""Get a page over HTTP within limits: of time in all, of size, of where it may lead."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field

from grace.kit.clock import Clock
from grace.model.quantities import Duration
from grace.sense.collectors.meters import ProbeParameters

_USER_AGENT: Final = "grace-probe"
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


@dataclass(frozen=True, slots=True)
class NotFetched:
    """What kept the page away."""

    failure: Failure
    why: str


def fetch(page: Page, clock: Clock) -> Fetched | NotFetched:
    """Get the page on a connection of its own; time-outs, refusals and too large bodies come back as values."""
    began_s = clock.monotonic()
    try:
        with (
            httpx.Client(
                verify=_tls() if page.url.startswith("https:") else False,  # without TLS there is nothing to verify
                timeout=page.timeout,
                follow_redirects=page.follow_redirects,
                trust_env=False,
                headers={"user-agent": _USER_AGENT, "accept-encoding": "identity"},
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
    return Fetched(response.status_code, content_type, bytes(body), clock.monotonic() - began_s)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Read the system's trusted authorities once: it takes tens of milliseconds."""
    return ssl.create_default_context()
