"""The HTTP side: routes, answers to failures, and the reload."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import anyio.to_thread
import grace_sdk
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from grace_sdk.asgi import CaptureMiddleware
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from .gate import Gate
from .metrics import Application, MeasuringMiddleware, Metrics
from .settings import Settings, SettingsError, needing_a_restart, read_settings
from .store import PriceError, Store, UnknownItemError

MOST_THREADS = 300
"""More than `max_concurrency` may be, so that the gate alone limits."""


class NewOrder(BaseModel):
    """The body of POST /orders."""

    item: Annotated[str, Field(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1, le=1000)]
    customer: Annotated[str, Field(max_length=128)] | None = None


class Shop:
    """What the routes share; its limits follow the configuration."""

    def __init__(self, config: Path, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.store = Store(settings.database, settings.busy_timeout_ms)
        self.gate = Gate(settings.max_concurrency, settings.queue_timeout_ms)
        self.metrics = Metrics(at_work=lambda: self.gate.at_work)
        self.metrics.generation.set(1)

    def reload(self) -> None:
        """Take over the configuration as it stands now; when it cannot be used, keep the old one and report."""
        try:
            settings = self._read_again()
        except SettingsError as error:
            self.metrics.refused_reloads.inc()
            grace_sdk.capture(error)
            return
        self.settings = settings
        self.store.busy_timeout_ms = settings.busy_timeout_ms
        self.gate.change(settings.max_concurrency, settings.queue_timeout_ms)
        self.metrics.generation.inc()

    def _read_again(self) -> Settings:
        settings = read_settings(self.config)
        if fixed := needing_a_restart(self.settings, settings):
            message = f"{self.config}: {', '.join(fixed)} can only change with a restart"
            raise SettingsError(message)
        return settings


def build_app(shop: Shop, announced: AbstractContextManager[None]) -> Application:
    """Return the ASGI application; once `announced` is entered it answers and reloads on SIGHUP."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = MOST_THREADS
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, shop.reload)
        with announced:
            yield
        loop.remove_signal_handler(signal.SIGHUP)
        shop.store.close()

    app = FastAPI(title="Orders", lifespan=lifespan, openapi_url=None)
    _add_routes(app, shop)
    _add_answers_to_failures(app, shop)
    return CaptureMiddleware(MeasuringMiddleware(app, shop.metrics))


def _add_routes(app: FastAPI, shop: Shop) -> None:
    @app.post("/orders", status_code=201)
    async def place(order: NewOrder) -> dict[str, object]:
        async with shop.gate:
            placed = await run_in_threadpool(shop.store.place, order.item, order.quantity, order.customer)
        shop.metrics.acknowledged.inc()
        return asdict(placed)

    @app.get("/orders/count")
    async def count() -> dict[str, int]:
        return {"count": await run_in_threadpool(shop.store.count)}

    @app.get("/orders/{number}")
    async def find(number: int) -> dict[str, object]:
        order = await run_in_threadpool(shop.store.find, number)
        if order is None:
            raise HTTPException(404, f"there is no order {number}")
        return asdict(order)

    @app.get("/report")
    async def report() -> dict[str, float]:
        async with shop.gate:
            return await run_in_threadpool(shop.store.rank_items, shop.settings.report_timeout_ms)

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        await run_in_threadpool(shop.store.ping)
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(shop.metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _add_answers_to_failures(app: FastAPI, shop: Shop) -> None:
    about_database = {"engine": "sqlite", "database": str(shop.settings.database)}

    @app.exception_handler(sqlite3.Error)
    async def database_failed(_: Request, error: sqlite3.Error) -> JSONResponse:
        grace_sdk.capture(error, labels=about_database)
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        return JSONResponse({"error": str(error)}, 503 if busy else 500)

    @app.exception_handler(TimeoutError)
    async def too_slow(_: Request, error: TimeoutError) -> JSONResponse:
        grace_sdk.capture(error)
        return JSONResponse({"error": str(error)}, 503)

    @app.exception_handler(PriceError)
    async def damaged(_: Request, error: PriceError) -> JSONResponse:
        grace_sdk.capture(error, labels=about_database)
        return JSONResponse({"error": str(error)}, 500)

    @app.exception_handler(UnknownItemError)
    async def unknown(_: Request, error: UnknownItemError) -> JSONResponse:
        grace_sdk.capture(error, severity="warning", labels=about_database)
        return JSONResponse({"error": str(error)}, 422)
