"""HTTP: `http.request`, one request that changes something, sent once.

The connection comes first, then the note, then the request: so without a note nothing was sent. What was sent and not
answered is asked after with `check`, or stays unknown; it is never sent again in the hope that it was lost. Only where
the check sees no effect once the request's own time is over is it repeated, under the key that was noted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, JsonValue, model_validator

from grace.act.executors import Action, Applied, Journal
from grace.act.executors.doors import named_door, reached_door
from grace.act.executors.references import is_unfilled
from grace.act.executors.sending import Answer, Exchange, NotAnsweredError, NotConnectedError, Place
from grace.act.executors.workplace import Parameters, Workplace, failed, own, unknown
from grace.kit.clock import from_rfc3339, to_rfc3339
from grace.kit.cuts import cut
from grace.kit.digests import digest_of_bytes
from grace.kit.ids import IdMint
from grace.kit.redaction import redact_text
from grace.kit.secret_references import (
    Filled,
    PlainHeaders,
    SecretHeaders,
    Unfilled,
    fill_headers,
    named_twice,
    without,
)
from grace.kit.text_diff import bounded
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.noun import Noun
from grace.model.plan import Reversibility
from grace.model.quantities import Duration
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "http"
_USER_AGENT: Final = "grace"
_KEY_HEADER: Final = "idempotency-key"
_LARGEST_BODY: Final = 256 * 1024
_SEARCHED_FOR_SECRETS: Final = 64 * 1024
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-_~:/?\[\]@!$&'()*+,;=%]+")
_GONE: Final = frozenset({404, 410})


def _plain_address(written: str) -> str:
    """Check that a URL leads to one place, under one name, with no secret in it."""
    parts = urlsplit(written) if _URL.fullmatch(written) else None
    if parts is None or not parts.hostname:
        message = f"not an http or https address in plain characters: {written!r}"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None or redact_text(written) != written:
        message = "an address carries no user, password or token: it would stand in plans and ledgers"
        raise ValueError(message)
    if ".." in unquote(parts.path).split("/"):
        message = f"a path without '..' is needed: {written!r}"
        raise ValueError(message)
    if parts.port == 0:
        message = f"there is no port 0: {written!r}"
        raise ValueError(message)
    return written


Url: TypeAlias = Annotated[str, Field(max_length=2000), AfterValidator(_plain_address)]
Status: TypeAlias = Annotated[int, Field(ge=200, le=599)]


class Check(Parameters):
    """How to see afterwards whether the request took effect: a GET."""

    url: Url
    expect_status: tuple[Status, ...] = Field(default=(200,), min_length=1, max_length=16)
    contains: str | None = Field(default=None, min_length=1, max_length=4096)
    headers_from: SecretHeaders
    timeout: Duration = Field(default=5.0, gt=0, le=60)


class RequestParameters(Parameters):
    """What `http.request` takes."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    url: Url
    headers: PlainHeaders
    headers_from: SecretHeaders
    body: JsonValue = Field(default=None, description="A text is sent as it is, anything else as JSON.")
    expect_status: tuple[Status, ...] = Field(default=(200, 201, 202, 204), min_length=1, max_length=16)
    timeout: Duration = Field(default=10.0, gt=0, le=300, description="For the whole exchange.")
    idempotency_key: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:/-]{1,255}$")
    check: Check | None = None

    @model_validator(mode="after")
    def _is_sendable(self) -> Self:
        if named_twice(self.headers, self.headers_from):
            message = "a header is given twice"
            raise ValueError(message)
        if len(_encoded(self.body) or b"") > _LARGEST_BODY:
            message = f"the body is longer than {_LARGEST_BODY} bytes"
            raise ValueError(message)
        return self


class RequestAnswered(Noun):
    """What `http.request` reports: the status, and the beginning of the body without secrets."""

    status: int
    content_type: str
    body: str
    body_kept: str | None
    """Address in the vault of the whole body, up to 1 MiB; None when it was empty."""
    idempotency_key: str
    etag: str = ""
    """The entity tag of the answer: sent back as `If-Match` by the undo, it lets the server spare changes of others."""


class _HomeError(Exception):
    """The connection leads to GRACE itself; nothing was sent."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.why)


class HttpRequest:
    """`http.request`: send one request and hold its status against what was expected."""

    spec = ActionSpec(
        name="http.request",
        summary="Send one HTTP request that changes something",
        parameters=RequestParameters,
        outputs=RequestAnswered,
        reversibility=Reversibility.COMPENSABLE,
        provider=None,
        blast_radius="whatever the server at that address does with the request",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._mint = IdMint(workplace.clock)

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return `host:port/path` of the address; the query does not make another target."""
        place = Place.of(own(parameters, RequestParameters).url)
        return (Target(kind=KIND, host=self._workplace.host, id=place.name),)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what would be sent, secrets by reference; nothing is sent and nothing is looked up."""
        wanted = own(parameters, RequestParameters)
        place = Place.of(wanted.url)
        if named_door(self._workplace.own_doors(), place.host, place.port) is not None:
            return _home(place)
        secrets = self._secrets(wanted.headers_from)
        if isinstance(secrets, Refusal):
            return secrets
        body = _encoded(wanted.body)
        return {
            "request": f"{wanted.method} {wanted.url}",
            "headers_from": dict(wanted.headers_from),
            "body": None if body is None else {"bytes": len(body), "digest": digest_of_bytes(body)},
            "effect": "known only to the server",
        }

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Send it once; done means that an expected status came back."""
        wanted = own(parameters, RequestParameters)
        if is_unfilled(wanted):
            return Outcome(state=StepState.REFUSED, why="parameters: a reference to an earlier output stands unfilled")
        secrets = self._secrets(wanted.headers_from)
        if isinstance(secrets, Refusal):
            return Outcome(state=StepState.REFUSED, why=f"{secrets.rule}: {secrets.why} {secrets.next}")
        key = wanted.idempotency_key or _key_of(journal.earlier()) or self._mint.mint("request")
        try:
            answer = self._send(wanted, secrets, key, journal)
        except _HomeError as error:
            return Outcome(state=StepState.REFUSED, why=f"{error.refusal.rule}: {error.refusal.why}")
        except NotConnectedError as error:
            return failed(f"nothing was sent: {error}")
        except NotAnsweredError as error:
            return unknown(str(error))
        cut("executor.http.request.answered")
        answered = self._told(answer, secrets, key, journal)
        journal.note(answered.to_json())
        cut("executor.http.request.answer_noted")
        return _judged(wanted, answered)

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell from an expected answer that was noted, else from the check; without either it stays unknown."""
        if handle is None:
            return Applied.NO
        wanted = own(parameters, RequestParameters)
        if handle.get("status") in wanted.expect_status:
            return Applied.YES
        if wanted.check is None:
            return Applied.UNKNOWN
        # The time first: what took effect while the check was under way must not be taken for absent.
        is_over = self._is_over(wanted, handle)
        seen = self._ask(wanted.check)
        return Applied.UNKNOWN if seen is Applied.NO and not is_over else seen

    def at_work_s(self, parameters: BaseModel, handle: Mapping[str, JsonValue]) -> float:
        """Return what is left of the request's own time, where no answer was noted and a check can tell."""
        wanted = own(parameters, RequestParameters)
        ends = _ends_at(wanted, handle)
        if ends is None or wanted.check is None:
            return 0.0
        left_s = (ends - self._workplace.clock.now()).total_seconds()
        return min(max(left_s, 0.0), wanted.timeout)

    def _is_over(self, wanted: RequestParameters, handle: Mapping[str, JsonValue]) -> bool:
        """Tell whether the server is surely done with it: it has answered, or the request's own time is over."""
        if "status" in handle:
            return True
        ends = _ends_at(wanted, handle)
        return ends is not None and self._workplace.clock.now() >= ends

    def _send(self, wanted: RequestParameters, secrets: Filled, key: str, journal: Journal) -> Answer:
        place = Place.of(wanted.url)
        if named_door(self._workplace.own_doors(), place.host, place.port) is not None:
            raise _HomeError(_home(place))
        headers = {
            "user-agent": _USER_AGENT,
            **_content_type(wanted.body),
            **{name.lower(): value for name, value in wanted.headers.items()},
            **secrets.headers,
            _KEY_HEADER: key,
        }
        with Exchange(place, wanted.timeout) as exchange:
            if reached_door(self._workplace.own_doors(), *exchange.peer) is not None:
                raise _HomeError(_home(place))
            cut("executor.http.request.connected")
            sent_at = to_rfc3339(self._workplace.clock.now())
            journal.note({"idempotency_key": key, "sent_to": place.name, "sent_at": sent_at})
            cut("executor.http.request.noted")
            sent = partial(cut, "executor.http.request.sent")
            return exchange.send(wanted.method, headers, _encoded(wanted.body), on_sent=sent)

    def _ask(self, check: Check) -> Applied:
        secrets = self._secrets(check.headers_from)
        if isinstance(secrets, Refusal):
            return Applied.UNKNOWN
        try:
            with Exchange(Place.of(check.url), check.timeout) as exchange:
                answer = exchange.send("GET", {"user-agent": _USER_AGENT, **secrets.headers}, None)
        except (NotConnectedError, NotAnsweredError):
            return Applied.UNKNOWN
        return _seen(check, answer)

    def _secrets(self, headers: Mapping[str, str]) -> Filled | Refusal:
        filled = fill_headers(headers, self._workplace.secret)
        if isinstance(filled, Unfilled):
            return Refusal(rule="http.secret", why=filled.why, next="Provide it where GRACE is started.")
        return filled

    def _told(self, answer: Answer, secrets: Filled, key: str, journal: Journal) -> RequestAnswered:
        text = answer.body.decode("utf-8", "replace")[:_SEARCHED_FOR_SECRETS]
        return RequestAnswered(
            status=answer.status,
            content_type=self._workplace.redact(without(secrets.values, answer.content_type)),
            body=bounded(self._workplace.redact(without(secrets.values, text))),
            body_kept=journal.keep(answer.body) if answer.body else None,
            idempotency_key=key,
            etag=self._workplace.redact(without(secrets.values, answer.etag)),
        )


class HttpExecutor:
    """The one action that sends requests."""

    def __init__(self, workplace: Workplace) -> None:
        self._actions: dict[str, Action] = {HttpRequest.spec.name: HttpRequest(workplace)}

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions


def build(workplace: Workplace) -> HttpExecutor:
    """Make the executor; the entry point."""
    return HttpExecutor(workplace)


def _home(place: Place) -> Refusal:
    why = f"{place.host}:{place.port} is where GRACE itself listens: the control plane is outside of every plan."
    return Refusal(rule="http.control_plane", why=why, next="Use the command line, or the API with a token of yours.")


def _key_of(handle: Mapping[str, JsonValue]) -> str | None:
    """Return the key under which an interrupted attempt was sent: a repetition carries the same."""
    key = handle.get("idempotency_key")
    return key if isinstance(key, str) else None


def _ends_at(wanted: RequestParameters, handle: Mapping[str, JsonValue]) -> datetime | None:
    """Return when the time of a request without an answer is over; None for one that was answered, or has no time."""
    sent_at = handle.get("sent_at")
    if "status" in handle or not isinstance(sent_at, str):
        return None
    return from_rfc3339(sent_at) + timedelta(seconds=wanted.timeout)


def _encoded(body: JsonValue) -> bytes | None:
    match body:
        case None:
            return None
        case str():
            return body.encode()
        case _:
            return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _content_type(body: JsonValue) -> dict[str, str]:
    match body:
        case None:
            return {}
        case str():
            return {"content-type": "text/plain; charset=utf-8"}
        case _:
            return {"content-type": "application/json"}


def _judged(wanted: RequestParameters, answered: RequestAnswered) -> Outcome:
    if answered.status in wanted.expect_status:
        return Outcome(state=StepState.DONE, output=answered.to_json())
    expected = " or ".join(map(str, wanted.expect_status))
    why = f"{wanted.method} {wanted.url} was answered with {answered.status}, expected {expected}"
    return Outcome(state=StepState.FAILED, output=answered.to_json(), why=why)


def _seen(check: Check, answer: Answer) -> Applied:
    """Read the answer to a check; one that only says that nothing can be seen now is no `no`."""
    if answer.status not in check.expect_status:
        is_absent = answer.status in _GONE or 200 <= answer.status < 300  # noqa: PLR2004 - success, as RFC 9110 has it
        return Applied.NO if is_absent else Applied.UNKNOWN
    if check.contains is None or check.contains.encode() in answer.body:
        return Applied.YES
    return Applied.NO if answer.is_whole else Applied.UNKNOWN
