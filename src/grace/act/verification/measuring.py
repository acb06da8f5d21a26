"""Read a meter without waiting for it: in a thread of its own, with a limit, and with every failure as a value."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from grace.act.verification import Meter
from grace.kit.attempt import Raised, attempt
from grace.model.reading import Known, Unknown

Found: TypeAlias = Known | Unknown


class Measuring(Protocol):
    """How a meter is read."""

    def start(self, meter: Meter) -> asyncio.Future[Found]:
        """Begin a read; the future always gets a value, `Unknown` when there is no answer in time."""
        ...


class InThreads:
    """Read in daemon threads, one for each read, so that a meter that hangs holds up nobody and not the exit either."""

    def start(self, meter: Meter) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        late = Unknown(why=f"no answer within {meter.limit_s:g} s")
        limit = loop.call_later(meter.limit_s, _settle, future, late)
        future.add_done_callback(lambda _: limit.cancel())
        threading.Thread(target=_read, args=(meter, loop, partial(_settle, future)), name="probe", daemon=True).start()
        return future


async def measure(measuring: Measuring, meter: Meter) -> Found:
    """Read once and wait for the answer."""
    return await measuring.start(meter)


def read_safely(meter: Meter) -> Found:
    """Read now; a meter that raises, or answers with something else, is unknown."""
    match attempt(partial(_anything, meter)):
        case Raised(error=error):
            return Unknown(why=f"the probe failed with {type(error).__name__}: {error}")
        case returned if isinstance(returned.value, Known | Unknown):
            return returned.value
        case returned:
            return Unknown(why=f"the probe answered {type(returned.value).__name__}, which is no reading")


def _anything(meter: Meter) -> object:
    """Read; a plug may answer with anything, whatever its type says."""
    return meter.read()


def _read(meter: Meter, loop: asyncio.AbstractEventLoop, settle: Callable[[Found], None]) -> None:
    found = read_safely(meter)
    try:
        loop.call_soon_threadsafe(settle, found)
    except RuntimeError:
        return  # The loop has closed meanwhile: nobody waits for this answer any more.


def _settle(future: asyncio.Future[Found], found: Found) -> None:
    if not future.done():
        future.set_result(found)
