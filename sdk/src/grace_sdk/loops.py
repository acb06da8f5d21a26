"""Event loops that have an exception handler of their own; all others are watched by the `asyncio` hook."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grace_sdk.installation import installed
from grace_sdk.safety import attempt
from grace_sdk.sighting import copy_text

if TYPE_CHECKING:
    from collections.abc import Callable


def watch(loop: asyncio.AbstractEventLoop | None = None) -> Callable[[], None]:
    """Record what a loop (by default the running one) tells its exception handler, which is then called as before.

    Call it after the application has set its handler. Return what puts that handler back.
    """
    watched = asyncio.get_running_loop() if loop is None else loop
    previous = watched.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if previous is None:
            # The default handler logs it, and there the hook is.
            loop.default_exception_handler(context)
            return
        attempt(_record, context)
        previous(loop, context)

    def restore() -> None:
        if watched.get_exception_handler() is handle:
            watched.set_exception_handler(previous)

    watched.set_exception_handler(handle)
    return restore


def _record(context: dict[str, Any]) -> None:
    said, exc, labels = copy_text(context.get("message")), context.get("exception"), {"uncaught": "event loop"}
    if isinstance(exc, BaseException):
        installed.recorder.record_once(exc, labels=labels, context={"loop": said})
    else:
        installed.recorder.record("message", message=said, severity="error", labels=labels)
