"""Reporter: the two background threads, one that renders what was captured and one that delivers it."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from grace_sdk.delivery import Delivered, Delivery, Postponed
from grace_sdk.rendering import render
from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    from grace_sdk.buffer import Buffer
    from grace_sdk.outbox import Outbox, Parcel
    from grace_sdk.rendering import Origin

THREAD_PREFIX: Final = "grace-sdk"
_LINGER_S: Final = 0.05
"""How long the first sighting waits for company; what a kill -9 can lose."""
_RENDERED_AT_ONCE: Final = 50
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 30.0

_log: Final = logging.getLogger("grace_sdk")


class Progress(NamedTuple):
    """What became of everything that was captured; the counts are exact once `waiting` is 0."""

    delivered: int
    refused: int
    dropped: int
    waiting: int
    faults: int
    problem: str
    """Why nothing can be delivered at the moment, or empty."""


class Reporter:
    """Carry sightings from the buffer to the server, whatever happens on the way."""

    def __init__(self, buffer: Buffer, origin: Origin, outbox: Outbox, delivery: Delivery) -> None:
        self._buffer = buffer
        self._origin = origin
        self._outbox = outbox
        self._delivery = delivery
        self._taken = 0
        self._newest = 0
        self._delivered = 0
        self._refused = 0
        self._faults = 0
        self._problem = ""
        self._passes_begun = 0
        self._passes_done = 0
        self._pass_done = threading.Condition()
        self._stopping = False
        self._hurry = threading.Event()
        self._retry_now = threading.Event()
        self._renderer = threading.Thread(target=self._render_loop, name=f"{THREAD_PREFIX}-render", daemon=True)
        self._sender = threading.Thread(target=self._send_loop, name=f"{THREAD_PREFIX}-send", daemon=True)

    def start(self) -> None:
        self._renderer.start()
        self._sender.start()

    def progress(self) -> Progress:
        return Progress(
            delivered=self._delivered,
            refused=self._refused,
            dropped=self._newest - self._taken + self._outbox.dropped,
            waiting=len(self._buffer) + self._outbox.waiting,
            faults=self._faults + self._outbox.spool_faults,
            problem=self._problem,
        )

    def flush(self, timeout_s: float) -> bool:
        """Try to deliver what was captured before the call; tell whether none of it waits any more."""
        deadline = time.monotonic() + timeout_s
        if not self._render_pass(timeout_s):
            return False
        self._retry_now.set()
        return self._outbox.wait_until_gone(max(0.0, deadline - time.monotonic()), unless=lambda: False)

    def close(self, timeout_s: float) -> None:
        """Deliver what can be delivered in time and end; what is in the spool is left to the next process."""
        deadline = time.monotonic() + timeout_s
        self._render_pass(timeout_s)
        self._outbox.wait_until_gone(max(0.0, deadline - time.monotonic()), unless=self._is_safe_to_leave)
        self._stopping = True
        self._buffer.wake()
        self._hurry.set()
        self._outbox.close()
        self._retry_now.set()
        for thread in (self._renderer, self._sender):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._outbox.release_spool()

    def _is_safe_to_leave(self) -> bool:
        return bool(self._problem) and self._outbox.is_durable

    def _render_pass(self, timeout_s: float) -> bool:
        """Wait for a pass that began after this call, so that it has seen everything captured before."""
        with self._pass_done:
            wanted = self._passes_begun + 1
        self._hurry.set()
        self._buffer.wake()
        with self._pass_done:
            return self._pass_done.wait_for(lambda: self._passes_done >= wanted, timeout_s)

    def _render_loop(self) -> None:
        while not self._stopping:
            self._buffer.wait()
            self._hurry.wait(_LINGER_S)
            with self._pass_done:
                self._hurry.clear()
                self._passes_begun += 1
            self._faults += isinstance(attempt(self._render_all), Fault)
            with self._pass_done:
                self._passes_done = self._passes_begun
                self._pass_done.notify_all()

    def _render_all(self) -> None:
        while lines := self._render_some():
            self._outbox.put(lines)

    def _render_some(self) -> list[bytes]:
        lines: list[bytes] = []
        while len(lines) < _RENDERED_AT_ONCE and (sighting := self._buffer.take()):
            self._taken += 1
            self._newest = max(self._newest, sighting.sequence)
            line = attempt(render, sighting, self._origin)
            if isinstance(line, Fault):
                self._faults += 1
            else:
                lines.append(line)
            # Give the interpreter lock back, so that the application never waits for a whole batch.
            time.sleep(0)
        return lines

    def _send_loop(self) -> None:
        self._faults += isinstance(attempt(self._outbox.take_over), Fault)
        retry_s = _FIRST_RETRY_S
        while (parcel := self._outbox.take()) is not None:
            outcome = attempt(self._send, parcel)
            if isinstance(outcome, Delivered):
                self._note_delivered(parcel, outcome)
                retry_s = _FIRST_RETRY_S
                continue
            postponed = (
                outcome if isinstance(outcome, Postponed) else Postponed(f"a fault of the SDK: {outcome.type}", 0.0)
            )
            self._note_postponed(parcel, postponed)
            self._retry_now.wait(max(postponed.after_s, _jittered(retry_s)))
            self._retry_now.clear()
            retry_s = min(retry_s * 2, _LAST_RETRY_S)
        self._delivery.close()

    def _send(self, parcel: Parcel) -> Delivered | Postponed:
        return self._delivery.deliver(self._outbox.lines_of(parcel))

    def _note_delivered(self, parcel: Parcel, outcome: Delivered) -> None:
        self._delivered += outcome.kept
        self._refused += outcome.refused
        if outcome.refused:
            _log.error("GRACE refused %d signals for good: %s", outcome.refused, outcome.why)
        if self._problem:
            _log.warning("GRACE takes signals again.")
        self._problem = ""
        self._outbox.done(parcel)

    def _note_postponed(self, parcel: Parcel, outcome: Postponed) -> None:
        if not self._problem:
            _log.warning("GRACE does not take signals (%s); they are kept and sent later.", outcome.why)
        self._problem = outcome.why
        self._outbox.put_back(parcel)


def _jittered(seconds: float) -> float:
    """Spread retries over half to all of the delay, so that many processes do not come back at once."""
    return seconds * (0.5 + os.urandom(1)[0] / 510)
