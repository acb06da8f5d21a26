"""Installation: what `init` made. Hooks and middleware ask it at each event, for `init` may come later than they."""

from __future__ import annotations

import os

from grace_sdk.recorder import Recorder

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Final, Protocol

    from grace_sdk.assembly import Assembly, Options

    class Watching(Protocol):
        """The hooks that are in."""

        def remove(self) -> None:
            """Put back what was there before."""
            ...


class Installation:
    """The parts in use; before `init`, captures only get their ids."""

    def __init__(self) -> None:
        self.options: Options | None = None
        self.assembly: Assembly | None = None
        self.hooks: Watching | None = None
        self.tells_operations = False
        """Whether each step of an operation is sent as a signal of its own."""
        self._silent: Final = Recorder()
        self._closing: Assembly | None = None

    @property
    def recorder(self) -> Recorder:
        return self._silent if self.assembly is None else self.assembly.recorder

    def secure(self, timeout_s: float) -> None:
        """Wait until what was captured is rendered, and on disk where there is a spool."""
        for assembly in self._running():
            assembly.reporter.secure(timeout_s)

    def settle(self, timeout_s: float) -> None:
        """Wait until what was captured is delivered, or on disk while the server is away."""
        for assembly in self._running():
            assembly.reporter.settle(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Take the hooks out, deliver what can be delivered in time, and stop."""
        assembly, self.assembly = self.assembly, None
        hooks, self.hooks = self.hooks, None
        self.options, self.tells_operations = None, False
        if assembly is None:
            return
        self._closing = assembly
        assembly.reporter.close(timeout_s)
        self._closing = None
        if hooks is not None:
            # Last, so that a signal that comes meanwhile still waits for what is on its way.
            hooks.remove()

    def forget(self) -> None:
        """Drop what a forked child inherited; it is the parent's to close."""
        self.assembly = self._closing = None

    def _running(self) -> list[Assembly]:
        """List what may still hold signals of this process: a signal handler may interrupt a close, or a fork."""
        parts = (self.assembly, self._closing)
        return [assembly for assembly in parts if assembly is not None and assembly.pid == os.getpid()]


installed: Final = Installation()
