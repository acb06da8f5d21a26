"""Serve a house over HTTP until told to stop."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Final

import uvicorn

from grace.api.live import LARGEST_MESSAGE_BYTES, Live
from grace.api.roles import Role
from grace.kit.collecting import nothing_collected
from grace.model.events import EventType
from grace.settings import (
    Settings,
    StartRefusedError,
    arm_cut_points,
    refuse_missing_services,
    refuse_unknown_entries,
    refuse_unsafe_start,
)
from grace.wiring.house import Running, open_house
from grace.wiring.speaking import speak, tell_of_writing

_COLLECT_AFTER: Final = (50_000, 20, 100)
FIRST_NAME: Final = "local"
"""Who the first token belongs to: whoever may read the data folder."""


def serve(
    settings: Settings, ready: Callable[[str, str | None], None], *, adopt_ledger: bool = False, kept: str = ""
) -> None:
    """Serve until told to stop; `ready` gets the address when it answers, and the first token if one is made.

    The token is made where no admin's opens the door, and the one `kept` for this machine, if any, opens none: else
    nobody could ever make another one. It gives no more than its place, the data folder, gives already.
    `adopt_ledger` takes on a log whose witness is empty, after a planned move.
    """
    refuse_unknown_entries(settings, {kind.value for kind in EventType})
    arm_cut_points(settings)
    refuse_missing_services(settings)
    speak(settings)
    with _opened(settings, adopt_ledger=adopt_ledger) as running:
        refuse_unsafe_start(settings, running.house.tokens.usable())
        running.house.record.writer.on_trouble(tell_of_writing)
        tokens = running.house.tokens
        can_log_in = tokens.usable(Role.ADMIN) or (kept and tokens.identify(kept))
        first = None if can_log_in else tokens.issue(FIRST_NAME, Role.ADMIN, FIRST_NAME)
        listener = _listen(settings)
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        app = running.app
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=LARGEST_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
        )
        _Announcing(config, app.state.live, lambda: ready(address, first.secret if first else None)).run(
            sockets=[listener]
        )


@contextmanager
def _opened(settings: Settings, *, adopt_ledger: bool) -> Generator[Running]:
    """Open the house, then collect less often: signals are many small objects that live for milliseconds.

    Else collecting is 40 % of accepting them.
    """
    with ExitStack() as open_things:
        with nothing_collected():
            running = open_things.enter_context(open_house(settings, adopt_ledger=adopt_ledger))
        gc.set_threshold(*_COLLECT_AFTER)
        yield running


class _Announcing(uvicorn.Server):
    """Tells when it answers, and says goodbye to those who follow."""

    def __init__(self, config: uvicorn.Config, live: Live, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._live = live
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._live.close()
        await super().shutdown(sockets)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        message = f"GRACE cannot listen on {settings.host}:{settings.port}: {error.strerror}. Name another with --port."
        raise StartRefusedError(message) from None
    return listener
