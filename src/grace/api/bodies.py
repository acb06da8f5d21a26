"""Bodies: JSON that different readers would read differently is refused before anything is done with it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.routing import APIRoute

from grace.api.problems import ProblemError
from grace.api.queries import turn_strangers_away
from grace.kit.canonical import JsonInvalidError, parse_json


async def only_one_reading(request: Request) -> None:
    """Raise a 422 problem for a body with a repeated key or a number that is none: the framework takes the last."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or route.body_field is None:
        return
    body = await request.body()
    if not body:
        return
    try:
        parse_json(body)
    except JsonInvalidError as error:
        await turn_strangers_away(request, route)
        why = f"The body can be read in more than one way: {error}."
        remedy = "Send each key once, and finite numbers"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "body-ambiguous", why, remedy) from None
