"""Named fault points: compiled in, off by default, one comparison when off.

`cut("ledger.commit.before")` does nothing until somebody arms that name. The crash matrix first records the names that
a run passes (`observe`), then dies at each of them in turn (`arm`).
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager


def kill_self() -> None:
    """End this process the way a power cut would: no handler, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Fuse:
    """Count the passes of every name and do the armed deeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passes: Counter[str] = Counter()
        self._order: list[str] = []
        self._deeds: dict[tuple[str, int], Callable[[], None]] = {}

    def arm(self, name: str, nth: int, deed: Callable[[], None]) -> None:
        with self._lock:
            self._deeds[name, self._passes[name] + nth] = deed

    def passed(self, name: str) -> None:
        with self._lock:
            self._passes[name] += 1
            self._order.append(name)
            deed = self._deeds.pop((name, self._passes[name]), None)
        if deed is not None:
            deed()

    def order(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._order)


_fuse: _Fuse | None = None


def cut(name: str) -> None:
    """Mark a place where a fault can be made; free when nothing is armed."""
    if _fuse is not None:
        _fuse.passed(name)


def cut_each(names: Iterable[str]) -> None:
    """Mark one place under several names; they are not even made when nothing is armed."""
    if _fuse is not None:
        for name in names:
            _fuse.passed(name)


def arm(name: str, nth: int = 1, deed: Callable[[], None] = kill_self) -> None:
    """Do the deed in the thread that passes `name` for the nth time from now; by default kill this process."""
    global _fuse  # noqa: PLW0603 - one fuse a process, so that a cut is one comparison
    if nth < 1:
        message = f"A cut is armed for its first or a later pass, not pass {nth}."
        raise ValueError(message)
    _fuse = _fuse or _Fuse()
    _fuse.arm(name, nth, deed)


def disarm() -> None:
    """Forget every armed deed and every recorded pass."""
    global _fuse  # noqa: PLW0603
    _fuse = None


@contextmanager
def observe() -> Generator[Callable[[], tuple[str, ...]]]:
    """Record the names that are passed inside the block; the yielded function tells them in order, with repeats."""
    global _fuse  # noqa: PLW0603
    before, _fuse = _fuse, _Fuse()
    mine = _fuse
    try:
        yield mine.order
    finally:
        _fuse = before
