"""Processes that belong to a scenario's world: forked, not started, so that a case costs milliseconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class Background:
    """A process that does `work(ready)`; it exists once `ready()` was called, and ends with `close`."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        hearing, saying = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                work(lambda: os.close(saying))
            finally:
                os._exit(1)
        os.close(saying)
        os.read(hearing, 1)
        os.close(hearing)

    def close(self) -> None:
        """End it, if nobody did yet."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # It was ended by the deed, and reaped as everything that ends below this process.
