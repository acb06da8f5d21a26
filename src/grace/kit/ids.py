"""Ids that sort by the time at which they were made: a prefix, an underscore and a ULID."""

import os
import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from grace.kit.clock import Clock, SystemClock

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 80
_ULID_LENGTH: Final = 26
_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{0,15}")
_ID_BEGINNING: Final = re.compile(rf"[a-z][a-z0-9]{{0,15}}(_[{_CROCKFORD}]{{0,26}})?")


def random_bytes(size: int) -> bytes:
    """Return bytes that nobody can guess, from the operating system."""
    return os.urandom(size)


class IdInvalidError(ValueError):
    """A text that is not an id."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"Not an id: {text!r}. An id looks like run_{'0' * _ULID_LENGTH}; `grace runs` lists them.")


class IdMint:
    """Make ids that are unique and, in one process, strictly increasing, even when the clock stands or goes back."""

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = random_bytes) -> None:
        self._clock = clock
        self._entropy = entropy
        self._lock = threading.Lock()
        self._last = 0

    def mint(self, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            message = f"An id prefix is lower-case letters and digits, at most 16: {prefix!r}."
            raise ValueError(message)
        return f"{prefix}_{_encode(self._next())}"

    def _next(self) -> int:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            fresh = (milliseconds << _RANDOM_BITS) | int.from_bytes(self._entropy(_RANDOM_BITS // 8), "big")
            # A random stride, not 1: two processes forked within one millisecond must not meet.
            stride = 1 + int.from_bytes(self._entropy(4), "big")
            same_or_earlier = milliseconds <= self._last >> _RANDOM_BITS
            self._last = self._last + stride if same_or_earlier else fresh
            return self._last


def new_id(prefix: str, mint: IdMint | None = None) -> str:
    """Make an id such as `run_01J...`; without a mint, the one of the process on the system clock."""
    return (mint or _process_mint).mint(prefix)


def beginning_at(prefix: str, moment: datetime) -> str:
    """Return what every id of a kind that is made at this moment or later sorts behind."""
    return f"{prefix}_{_encode(int(moment.timestamp() * 1000) << _RANDOM_BITS)}"


def normal_beginning(text: str) -> str:
    """Turn what a person typed of an id (`RUN_01j`) into a beginning to look up, or raise IdInvalidError."""
    prefix, underscore, rest = text.strip().partition("_")
    wanted = f"{prefix.lower()}{underscore}{rest.upper().translate(_MISREADINGS)}"
    if not _ID_BEGINNING.fullmatch(wanted):
        raise IdInvalidError(text)
    return wanted


_MISREADINGS: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def _encode(number: int) -> str:
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


_process_mint: Final = IdMint(SystemClock())
