"""Read a meter without waiting for it: in a thread of its own, with a limit, and with every failure as a value."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TypeAlias

from grace.act.verification import Meter
from grace.kit.attempt import Raised, attempt
from grace.kit.wording import in_words
from grace.model.reading import Known, Unknown

Found: TypeAlias = Known | Unknown

_LONGEST_IDLE_S: Final = 1.0


class Measuring(Protocol):
    """How a meter is read."""

    def start(self, meter: Meter) -> asyncio.Future[Found]:
        """Begin a read; the future always gets a value, `Unknown` when there is no answer in time."""
        ...


class InThreads:
    """Read in daemon threads, one for each read, so that a meter that hangs holds up nobody and not the exit either.

    A thread whose read has ended takes the next one: starting one costs more than most reads.
    """

    def __init__(self) -> None:
        self._idle: list[SimpleQueue[_Read]] = []
        self._changing = threading.Lock()

    def start(self, meter: Meter) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        late = Unknown(why=f"no answer within {meter.limit_s:g} s")
        limit = loop.call_later(meter.limit_s, _settle, future, late)
        future.add_done_callback(lambda _: limit.cancel())
        self._inbox().put(_Read(meter, loop, partial(_settle, future)))
        return future

    def _inbox(self) -> SimpleQueue[_Read]:
        """Return the inbox of a thread that does nothing, a new one if all are reading."""
        with self._changing:
            if self._idle:
                return self._idle.pop()
        inbox: SimpleQueue[_Read] = SimpleQueue()
        threading.Thread(target=self._serve, args=(inbox,), name="probe", daemon=True).start()
        return inbox

    def _serve(self, inbox: SimpleQueue[_Read]) -> None:
        read = inbox.get()
        while read is not None:
            found = read_safely(read.meter)
            with self._changing:
                self._idle.append(inbox)
            read.tell(found)
            read = self._next(inbox)

    def _next(self, inbox: SimpleQueue[_Read]) -> _Read | None:
        """Wait for the next read; None when none came for a while, and none can come any more."""
        try:
            return inbox.get(timeout=_LONGEST_IDLE_S)
        except Empty:
            pass
        with self._changing:
            if inbox in self._idle:
                self._idle.remove(inbox)
                return None
        return inbox.get()


@dataclass(frozen=True, slots=True)
class _Read:
    """A meter to be read, and who waits for the answer."""

    meter: Meter
    loop: asyncio.AbstractEventLoop
    settle: Callable[[Found], None]

    def tell(self, found: Found) -> None:
        try:
            self.loop.call_soon_threadsafe(self.settle, found)
        except RuntimeError:
            return  # The loop has closed meanwhile: nobody waits for this answer any more.


async def measure(measuring: Measuring, meter: Meter) -> Found:
    """Read once and wait for the answer."""
    return await measuring.start(meter)


def read_safely(meter: Meter) -> Found:
    """Read now; a meter that raises, or answers with something else, is unknown."""
    match attempt(partial(_anything, meter)):
        case Raised(error=error):
            return Unknown(why=f"the probe failed with {type(error).__name__}: {in_words(error)}")
        case returned if isinstance(returned.value, Known | Unknown):
            return returned.value
        case returned:
            return Unknown(why=f"the probe answered {type(returned.value).__name__}, which is no reading")


def _anything(meter: Meter) -> object:
    """Read; a plug may answer with anything, whatever its type says."""
    return meter.read()


def _settle(future: asyncio.Future[Found], found: Found) -> None:
    if not future.done():
        future.set_result(found)
