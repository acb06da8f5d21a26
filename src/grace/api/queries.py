"""Query parameters: one that a route does not know is refused, so that a misspelt filter is not an unfiltered list."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from grace.api.access import Needs
from grace.api.problems import ProblemError
from grace.kit.documents import nearest


async def only_known(request: Request) -> None:
    """Raise a 422 problem that names what is not known and what is; strangers are told to get a token first."""
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = sorted({name for each in _all(route.dependant) for name in _names(each)})
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        await turn_strangers_away(request, route)
        raise _refusal(request, unknown, known)


async def turn_strangers_away(request: Request, route: APIRoute) -> None:
    """Raise the problem of a missing token or role first: who may not ask is told nothing about how to ask."""
    for needed in _all(route.dependant):
        if isinstance(needed.call, Needs):
            await needed.call(request)


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all(inner)


def _names(dependant: Dependant) -> Iterator[str]:
    return (parameter.alias for parameter in dependant.query_params)


def _refusal(request: Request, unknown: list[str], known: list[str]) -> ProblemError:
    """Name the parameters; never their values, they may be secrets."""
    names = ", ".join(ascii(name)[1:-1][:40] for name in unknown[:10])
    where = f"{request.method} {request.url.path}"
    takes = f"knows {', '.join(known)}" if known else "takes no query"
    close = nearest(unknown[0], known)
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "unknown-parameter",
        f"There is no query parameter {names}; {where} {takes}.",
        f"Did you mean {close}?" if close else "GET /openapi.json says the shape",
    )
