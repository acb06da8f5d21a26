"""Reporter: the background half of the SDK. One thread renders what was captured, another delivers it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from grace_sdk.bell import Bell
from grace_sdk.safety import Fault, attempt, caught
from grace_sdk.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from grace_sdk.buffer import Buffer
    from grace_sdk.dsn import Dsn
    from grace_sdk.origin import Origin
    from grace_sdk.outbox import Outbox
    from grace_sdk.recorder import Recorder
    from grace_sdk.sighting import Sighting

Render: TypeAlias = "Callable[[Sighting, Origin], bytes]"

THREAD_PREFIX: Final = "grace-sdk"
_LINGER_S: Final = 0.05
"""How long the first sighting waits for company."""
_LATE_NS: Final = 100_000_000
"""From this age on a sighting is rendered without giving way to the application: what a kill -9 loses is bounded."""
_RENDERED_AT_ONCE: Final = 50


class Progress(NamedTuple):
    """What became of everything that was captured in this process; exact once `waiting` is 0."""

    captured: int
    delivered: int
    refused: int
    """The server will never take them; the log says why."""
    dropped: int
    """They had to go, oldest first, because too many waited in memory or in the spool."""
    waiting: int
    faults: int
    """Times that the SDK failed, or that something handed to it raised when it was looked at."""
    disk_faults: int
    """Times that the spool's disk refused; the signals waited in memory instead."""
    problem: str
    """Why nothing can be delivered at the moment, or empty."""


class Reporter:
    """Carry sightings from the buffer to the server, whatever happens on the way."""

    def __init__(
        self, recorder: Recorder, buffer: Buffer, origin: Origin, outbox: Outbox, dsn: Dsn, *, timeout_s: float
    ) -> None:
        self._recorder = recorder
        self._buffer = buffer
        self._origin = origin
        self._outbox = outbox
        self._sender = Sender(outbox, dsn, timeout_s, recorder)
        self._faults_before = caught.total
        self._passes_begun = 0
        self._passes_done = 0
        self._pass_done = threading.Condition()
        self._stopping = False
        self._hurry = Bell()
        self._has_imported = threading.Event()
        self._threads = (
            threading.Thread(target=self._render_loop, name=f"{THREAD_PREFIX}-render", daemon=True),
            threading.Thread(target=self._sender.run, name=f"{THREAD_PREFIX}-send", daemon=True),
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def await_imports(self, timeout_s: float) -> None:
        """Wait until the threads import nothing any more: a fork in the middle of it would leave modules locked."""
        for has_imported in (self._has_imported, self._sender.has_imported):
            has_imported.wait(timeout_s)

    def progress(self) -> Progress:
        return Progress(
            captured=self._recorder.issued[0],
            delivered=self._sender.delivered,
            refused=self._sender.refused,
            dropped=self._buffer.dropped + self._outbox.dropped,
            waiting=len(self._buffer) + self._outbox.waiting,
            faults=caught.total - self._faults_before,
            disk_faults=self._outbox.spool_faults,
            problem=self._sender.problem,
        )

    def flush(self, timeout_s: float) -> bool:
        """Try to deliver what was captured before the call; tell whether none of it waits any more."""
        deadline = time.monotonic() + timeout_s
        if not self.secure(timeout_s):
            return False
        self._sender.retry()
        return self._outbox.wait_until_gone(_left(deadline), unless=lambda: False)

    def secure(self, timeout_s: float) -> bool:
        """Wait until what was captured before the call is rendered, and on disk where there is a spool."""
        with self._pass_done:
            # A pass that began after this call has seen everything captured before.
            wanted = self._passes_begun + 1
        self._hurry.ring()
        self._buffer.bell.ring()
        with self._pass_done:
            return self._pass_done.wait_for(lambda: self._stopping or self._passes_done >= wanted, timeout_s)

    def settle(self, timeout_s: float) -> None:
        """Wait until what was captured is delivered, or on disk while the server is away."""
        deadline = time.monotonic() + timeout_s
        self.secure(timeout_s)
        if not self._is_safe_to_leave():
            self._sender.retry()
        self._outbox.wait_until_gone(_left(deadline), unless=self._is_safe_to_leave)

    def close(self, timeout_s: float) -> None:
        """Deliver what can be delivered in time and end; what is in the spool is left to the next process."""
        deadline = time.monotonic() + timeout_s
        self.settle(timeout_s)
        self._stopping = True
        self._hurry.ring()
        self._buffer.bell.ring()
        self._outbox.close()
        self._sender.retry()
        for thread in self._threads:
            thread.join(_left(deadline))
        self._outbox.release_spool()

    def abandon(self) -> None:
        """Let go of what a forked child shares with its parent, without touching it."""
        self._outbox.abandon_spool()
        self._sender.abandon()

    def _is_safe_to_leave(self) -> bool:
        return bool(self._sender.problem) and self._outbox.is_durable

    def _render_loop(self) -> None:
        # Imported here because JSON and paths cost 5 ms, which no caller of `init` should wait for.
        from grace_sdk.rendering import render  # noqa: PLC0415

        self._has_imported.set()
        while not self._stopping:
            self._buffer.bell.wait()
            self._hurry.wait(_LINGER_S)
            with self._pass_done:
                self._passes_begun += 1
            attempt(self._render_all, render)
            with self._pass_done:
                self._passes_done = self._passes_begun
                self._pass_done.notify_all()

    def _render_all(self, render: Render) -> None:
        while lines := self._render_some(render):
            self._outbox.put(lines)

    def _render_some(self, render: Render) -> list[bytes]:
        lines: list[bytes] = []
        while len(lines) < _RENDERED_AT_ONCE and (sighting := self._buffer.take()):
            line = attempt(render, sighting, self._origin)
            if not isinstance(line, Fault):
                lines.append(line)
            if time.time_ns() - sighting.at_ns < _LATE_NS:
                # Give the interpreter lock back, so that the application never waits for a whole batch.
                time.sleep(0)
        return lines


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
