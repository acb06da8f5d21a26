"""Who am I, sessions, and tokens."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import Field

from grace.api.access import Admin, TheHouse, Viewer, identify
from grace.api.problems import documented, refused
from grace.api.roles import Role
from grace.api.texts import Identifier, Name
from grace.api.tokens import NameRefusedError
from grace.api.views import Asked, IssuedView, TokenView, View
from grace.model.quantities import LONGEST_S, Duration
from grace.model.warrant import Refusal

router = APIRouter(prefix="/api/auth", tags=["auth"])


class Login(Asked):
    """A token to be exchanged for a short-lived one of the same identity."""

    token: str = Field(min_length=1, max_length=256)


class Session(View):
    """A short-lived token."""

    token: str
    name: str
    role: Role
    expires_at: datetime | None


class WhoAmI(View):
    name: str
    role: Role
    token_id: str


class NewToken(Asked):
    """For whom a token is made; `lifetime` like `30d`, none: until it is revoked."""

    name: Name
    role: Role
    lifetime: Duration | None = Field(default=None, gt=0, le=LONGEST_S)


@router.post("/login", responses=documented(HTTPStatus.UNAUTHORIZED))
async def login(body: Login, house: TheHouse) -> Session:
    """Exchange a token for a session token."""
    identity = await identify(house, body.token, Role.VIEWER)
    issued = await asyncio.to_thread(house.tokens.open_session, identity, house.session_lifetime)
    return Session(token=issued.secret, name=identity.name, role=identity.role, expires_at=issued.token.expires_at)


@router.get("/whoami")
async def whoami(identity: Viewer) -> WhoAmI:
    """Tell whose token this is."""
    return WhoAmI(name=identity.name, role=identity.role, token_id=identity.token_id)


@router.get("/tokens")
def list_tokens(_admin: Admin, house: TheHouse) -> dict[str, list[TokenView]]:
    """List tokens without their secrets."""
    return {"items": [TokenView.model_validate(token, from_attributes=True) for token in house.tokens.listed()]}


@router.post("/tokens", status_code=HTTPStatus.CREATED, responses=documented(HTTPStatus.CONFLICT))
def issue_token(body: NewToken, admin: Admin, house: TheHouse) -> IssuedView:
    """Make a token; its secret is shown this once."""
    lifetime = None if body.lifetime is None else timedelta(seconds=body.lifetime)
    try:
        issued = house.tokens.issue(body.name, body.role, admin.name, lifetime)
    except NameRefusedError as error:
        raise refused(error.refusal) from error
    shown = TokenView.model_validate(issued.token, from_attributes=True)
    return IssuedView(**shown.model_dump(), secret=issued.secret)


@router.delete(
    "/tokens/{token_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def revoke_token(token_id: Identifier, admin: Admin, house: TheHouse) -> Response:
    """End a token and every session of its name."""
    revoked = house.tokens.revoke(token_id, admin.name)
    if isinstance(revoked, Refusal):
        raise refused(revoked)
    return Response(status_code=HTTPStatus.NO_CONTENT)
