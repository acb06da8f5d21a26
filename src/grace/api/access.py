"""Access: the bearer token of a request becomes an identity, and each route names the role it needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from grace.api.house import House
from grace.api.problems import ProblemError, ask_for_token
from grace.api.roles import Identity, Role

SCHEME: Final = HTTPBearer(auto_error=False, description="A token from `grace token create`, or from /api/auth/login.")
_PREFIX: Final = "bearer "
_LONGEST_SECRET: Final = 256


async def _the_house(request: Request) -> House:
    # FastAPI would call a plain function in a thread, once for each request.
    return house_of(request)


def house_of(request: Request) -> House:
    """Return the house that this application serves."""
    house: House = request.app.state.house
    return house


@dataclass(frozen=True, slots=True)
class Needs:
    """A dependency that lets a request through when its token has the role, and yields who it is."""

    role: Role

    async def __call__(self, request: Request) -> Identity:
        identity = await authenticate(request, self.role)
        if not identity.role.may(self.role):
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "role",
                f"{identity.name} is {identity.role}; this needs {self.role}.",
                f"Ask an admin for a token of that role: `grace token create NAME --role {self.role}`",
            )
        return identity


async def authenticate(request: Request, role: Role) -> Identity:
    """Return whose token the request shows; raise a 401 problem that says how to get one of the role."""
    shown = request.headers.get("authorization", "")
    if not shown:
        ask_for_token("This needs a token, and none was sent.", role)
    secret = secret_of(shown)
    if secret is None:
        ask_for_token("The Authorization header is not `Bearer TOKEN`.", role)
    return await identify(house_of(request), secret, role)


def secret_of(shown: str) -> str | None:
    """Return the token of an Authorization header; None when it is not `Bearer TOKEN`."""
    secret = shown[len(_PREFIX) :].strip()
    is_token = shown[: len(_PREFIX)].lower() == _PREFIX and 0 < len(secret) <= _LONGEST_SECRET
    return secret if is_token else None


async def identify(house: House, secret: str, role: Role) -> Identity:
    """Return whose secret this is; raise a 401 problem for an unknown, expired or revoked one.

    `role` is what is needed, and what the problem says how to get.
    """
    identity = house.tokens.remembered(secret) or await asyncio.to_thread(house.tokens.identify, secret)
    if identity is None:
        ask_for_token("The token is unknown, expired or revoked.", role)
    return identity


TheHouse = Annotated[House, Depends(_the_house)]
Sender = Annotated[Identity, Depends(Needs(Role.SENDER))]
Viewer = Annotated[Identity, Depends(Needs(Role.VIEWER))]
Operator = Annotated[Identity, Depends(Needs(Role.OPERATOR))]
Approver = Annotated[Identity, Depends(Needs(Role.APPROVER))]
Admin = Annotated[Identity, Depends(Needs(Role.ADMIN))]
