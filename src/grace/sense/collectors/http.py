"""Probes over HTTP: does it answer, how, how fast, and what does it say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import Field, JsonValue

from grace.kit.canonical import JsonInvalidError, parse_json
from grace.kit.format_flaws import format_flaw
from grace.kit.secret_references import without
from grace.model.catalogue import Answers, ProbeSpec
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Meter, Probe
from grace.sense.collectors.fetching import Failure, Fetched, NotFetched, Page, fetch
from grace.sense.collectors.meters import OVERTIME_S, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.units import Unit, in_its_unit
from grace.sense.collectors.viewpoint import Viewpoint

_FIRST_FAILURE: Final = 400


class OkPage(Page):
    """A page that is fine when its status is below 400 and, where asked, its body contains a text."""

    contains: str | None = Field(default=None, min_length=1)
    timeout_is_failure: bool = False
    """Count silence as a known no. Off: no answer in time is unknown, since the way there may be what is slow."""


class JsonPage(Page):
    """A value inside a JSON page, found by JSON pointer (RFC 6901): `/orders/0/state`; empty for the whole."""

    pointer: str = Field(default="", pattern="^(/.*)?$")
    unit: Unit | None = None


class HttpCollector:
    """`http.status`, `http.ok`, `http.latency_ms` and `http.json`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._viewpoint = viewpoint

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                TypedProbe(
                    ProbeSpec("http.status", "The status code of the answer.", Page, Answers.NUMBER),
                    Page,
                    self._status,
                ),
                TypedProbe(
                    ProbeSpec(
                        "http.ok", "Whether the answer has a status below 400 and the text.", OkPage, Answers.BOOLEAN
                    ),
                    OkPage,
                    self._ok,
                ),
                TypedProbe(
                    ProbeSpec(
                        "http.latency_ms",
                        "How long a good answer takes, to the end of its body.",
                        Page,
                        Answers.NUMBER,
                        unit="ms",
                    ),
                    Page,
                    self._latency,
                ),
                TypedProbe(
                    ProbeSpec("http.json", "A value inside a JSON answer.", JsonPage, Answers.ANYTHING),
                    JsonPage,
                    self._json,
                ),
            ]
        )

    def close(self) -> None:
        """End nothing: every read has a connection of its own."""

    def _status(self, page: Page) -> Meter:
        return self._reads(page, _status)

    def _ok(self, page: OkPage) -> Meter:
        return self._reads(page, lambda fetched: _is_ok(page, fetched))

    def _latency(self, page: Page) -> Meter:
        return self._reads(page, _latency_ms)

    def _json(self, page: JsonPage) -> Meter:
        return self._reads(page, lambda fetched: _pointed_at(page, fetched))

    def _reads(self, page: Page, say: Callable[[Fetched | NotFetched], Known | Unknown]) -> Meter:
        def read() -> Known | Unknown:
            fetched = fetch(page, self._viewpoint)
            return _as_of(fetched, say(fetched))

        return Reads(page.timeout + OVERTIME_S, read)


def _as_of(fetched: Fetched | NotFetched, found: Known | Unknown) -> Known | Unknown:
    """Say of an answer out of a cache when the service gave it."""
    if isinstance(fetched, NotFetched) or isinstance(found, Unknown) or fetched.as_of is None:
        return found
    return Known(value=found.value, as_of=fetched.as_of)


def _status(fetched: Fetched | NotFetched) -> Known | Unknown:
    match fetched:
        case Fetched(status=status):
            return Known(value=status)
        case NotFetched(why=why):
            return unknown(why)


def _is_ok(page: OkPage, fetched: Fetched | NotFetched) -> Known | Unknown:
    """Count a refusal and a broken answer as a known no, silence as unknown unless asked otherwise."""
    match fetched:
        case Fetched(status=status, body=body):
            has_text = page.contains is None or page.contains.encode("utf-8") in body
            return Known(value=status < _FIRST_FAILURE and has_text)
        case NotFetched(failure=Failure.REFUSED | Failure.BROKEN):
            return Known(value=False)
        case NotFetched(failure=Failure.TIMED_OUT) if page.timeout_is_failure:
            return Known(value=False)
        case NotFetched(why=why):
            return unknown(why)


def _latency_ms(fetched: Fetched | NotFetched) -> Known | Unknown:
    """Return the time of a good answer alone: a quick error is no quick answer."""
    match fetched:
        case Fetched(status=status, took_s=took_s) if status < _FIRST_FAILURE:
            return Known(value=round(took_s * 1000, 3))
        case Fetched(status=status):
            return unknown(f"the answer has status {status}, so its speed says nothing")
        case NotFetched(why=why):
            return unknown(why)


def _pointed_at(page: JsonPage, fetched: Fetched | NotFetched) -> Known | Unknown:
    match fetched:
        case Fetched(status=status) if status >= _FIRST_FAILURE:
            return unknown(f"the answer has status {status}")
        case Fetched(body=body, secrets=secrets):
            try:
                found = in_its_unit(_follow(parse_json(body), page.pointer), page.unit, f"the value at {page.pointer}")
                return _discreet(found, secrets)
            except (JsonInvalidError, UnicodeError) as error:
                return unknown(f"the answer is not JSON: {format_flaw(error)}")
        case NotFetched(why=why):
            return unknown(why)


def _discreet(found: Known | Unknown, secrets: tuple[str, ...]) -> Known | Unknown:
    """Return an answer in which the secrets do not stand that the question was asked with."""
    match found:
        case Known(value=value) if secrets:
            return Known(value=_without(secrets, value))
        case _:
            return found


def _without(secrets: tuple[str, ...], value: JsonValue) -> JsonValue:
    match value:
        case str():
            return without(secrets, value)
        case list():
            return [_without(secrets, item) for item in value]
        case dict():
            return {without(secrets, name): _without(secrets, item) for name, item in value.items()}
        case _:
            return value


def _follow(document: JsonValue, pointer: str) -> Known | Unknown:
    here = document
    for raw in pointer.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        match here:
            case dict() if step in here:
                here = here[step]
            case list() if step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            case _:
                return unknown(f"there is nothing at {pointer}")
    return Known(value=here)
