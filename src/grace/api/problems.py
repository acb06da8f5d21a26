"""Problems (RFC 9457): every error of the API in one shape, and every status code in one file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NoReturn

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DatabaseError
from starlette.exceptions import HTTPException

from grace.api.roles import Role
from grace.kit.wording import flaws_in_words
from grace.model.warrant import Refusal
from grace.record.store.commit import WriteFailedError
from grace.record.store.damage import RecordDamagedError
from grace.record.store.writer import WriterBusyError, WriterClosedError
from grace.sense.intake.acceptance import IntakeBusyError

MEDIA_TYPE: Final = "application/problem+json"
TROUBLES: Final = (WriterBusyError, WriteFailedError, WriterClosedError, IntakeBusyError)
"""What the record raises when it can take nothing at the moment."""
_LOG: Final = logging.getLogger(__name__)
_NAMESPACE: Final = "urn:grace:problem:"
_RETRY_AFTER_S: Final = "1"
_MISSING: Final = "no-"
_STATUS_OF_RULE: Final[Mapping[str, HTTPStatus]] = MappingProxyType(
    {
        "approval-requester": HTTPStatus.FORBIDDEN,
        "approval-digest": HTTPStatus.CONFLICT,
        "body-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
        "body-unreadable": HTTPStatus.BAD_REQUEST,
        "token-name": HTTPStatus.UNPROCESSABLE_ENTITY,
        "body-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    }
)


class Problem(BaseModel):
    """What went wrong, and what to try next."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    next: str


class ProblemError(Exception):
    """Raised by routes; becomes a problem document."""

    def __init__(
        self, status: HTTPStatus, rule: str, detail: str, next_step: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.problem = Problem(
            type=_NAMESPACE + rule, title=status.phrase, status=status.value, detail=detail, next=next_step
        )
        self.headers = dict(headers or {})
        super().__init__(detail)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of the problems that a route can answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status.value: {"description": status.phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}


def refused(refusal: Refusal) -> ProblemError:
    """Turn a refusal of the house into its problem."""
    status = HTTPStatus.NOT_FOUND if refusal.rule.startswith(_MISSING) else HTTPStatus.CONFLICT
    return ProblemError(_STATUS_OF_RULE.get(refusal.rule, status), refusal.rule, refusal.why, refusal.next)


def not_found(noun: str, identity: str, next_step: str) -> NoReturn:
    """Raise that there is no such thing."""
    raise ProblemError(HTTPStatus.NOT_FOUND, f"no-{noun}", f"There is no {noun} {identity!r}.", next_step)


def ask_for_token(detail: str, role: Role) -> NoReturn:
    """Raise that a token is needed, and say how to get one that is good for it."""
    raise ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        detail,
        f"On the server's machine: `grace token create NAME --role {role}`; then send the header "
        "`Authorization: Bearer TOKEN`.",
        {"WWW-Authenticate": 'Bearer realm="grace"'},
    )


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(ProblemError, _own)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for trouble in TROUBLES:
        app.add_exception_handler(trouble, _unavailable)
    for damage in (RecordDamagedError, DatabaseError, sqlite3.DatabaseError):
        app.add_exception_handler(damage, _damaged)
    app.add_exception_handler(HTTPStatus.INTERNAL_SERVER_ERROR.value, _fault)


def respond(error: ProblemError) -> JSONResponse:
    """Write one problem."""
    return JSONResponse(
        error.problem.model_dump(), status_code=error.problem.status, headers=error.headers, media_type=MEDIA_TYPE
    )


def unavailable(trouble: Exception) -> JSONResponse:
    """Say that nothing was taken, and when to try again."""
    busy = HTTPStatus.SERVICE_UNAVAILABLE
    return respond(
        ProblemError(busy, "record-busy", str(trouble), "Try again in a second", {"Retry-After": _RETRY_AFTER_S})
    )


async def _own(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return respond(error)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.url.path}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not offered at {request.url.path}.",
    }.get(status, str(error.detail))
    return respond(
        ProblemError(status, status.name.lower().replace("_", "-"), detail, "GET /openapi.json", error.headers)
    )


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Name each field that is wrong; never repeat what was sent, it may be a secret."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = flaws_in_words(error.errors())
    return respond(ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", wrong, "GET /openapi.json says the shape"))


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    return unavailable(error)


async def _damaged(request: Request, error: Exception) -> JSONResponse:
    """Say what of the record cannot be read, and what mends it; of what SQLite says, not what was asked of it."""
    if isinstance(error, RecordDamagedError):
        what, what_next = f"The record is damaged: {error.what}.", error.what_next
    else:
        said = error.orig if isinstance(error, DatabaseError) else error
        what, what_next = f"The record cannot be read: SQLite says {said}.", "grace doctor"
    _LOG.error("%s %s: %s", request.method, request.url.path, what)
    return respond(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "record-damaged", what, what_next))


async def _fault(_request: Request, _error: Exception) -> JSONResponse:
    detail = "GRACE failed; the server's log says how. Nothing that was acknowledged is lost."
    return respond(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", detail, "grace status"))
