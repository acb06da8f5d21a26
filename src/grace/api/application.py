"""The application: every router, with access, limits and problems. A router that cannot be imported stops the start."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from grace.api.access import SCHEME
from grace.api.bodies import only_one_reading
from grace.api.chat import router as chat
from grace.api.front_door import FrontDoor
from grace.api.house import House
from grace.api.limits import BodyLimit
from grace.api.live import Live
from grace.api.problems import Problem, answer_with_problems, documented
from grace.api.queries import only_known
from grace.api.refusals import Refusals
from grace.api.routes import (
    auth,
    autonomy,
    benchmarks,
    by_hand,
    declared,
    doctor,
    drills,
    events,
    halt,
    health,
    incidents,
    intake,
    knowledge,
    log,
    mesh,
    report,
    restraint,
    runs,
    snapshots,
    verification,
)

GUARDED: Final = (
    auth.router,
    intake.router,
    incidents.router,
    runs.router,
    autonomy.router,
    halt.router,
    restraint.router,
    verification.router,
    snapshots.router,
    benchmarks.router,
    log.router,
    events.router,
    mesh.router,
    declared.router,
    knowledge.router,
    drills.router,
    doctor.router,
    chat.router,
    report.router,
    by_hand.router,
)
"""Their routes name the role they need, but for the login."""
OPEN: Final = (health.router,)
"""Asked without a token."""
_ANYWHERE: Final = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_TOKEN: Final = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def create_app(house: House) -> FastAPI:
    """Return the application that serves this house; nothing is opened or started."""
    app = FastAPI(
        title="GRACE",
        version=house.version,
        summary="Heals running software and can prove that it did no harm.",
        redirect_slashes=False,
        responses=_ANYWHERE,
        dependencies=[Depends(only_known), Depends(only_one_reading)],
    )
    app.state.house = house
    app.state.live = live = Live(house)
    app.state.refusals = refusals = Refusals(house.clock)
    for router in GUARDED:
        app.include_router(router, dependencies=[Depends(SCHEME)], responses=_WITH_TOKEN)
    for router in OPEN:
        app.include_router(router)
    app.router.routes.append(live.route)
    app.add_middleware(BodyLimit, limit_bytes=house.body_limit_bytes)
    app.add_middleware(FrontDoor, house=house, refusals=refusals)
    answer_with_problems(app)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Put the shape of problems into the OpenAPI document, once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi
