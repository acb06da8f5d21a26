"""What a start makes stays: nothing of it is ever looked through for garbage."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Generator[None]:
    """Collect nothing within, and leave what stands at the end out of every later collection.

    For imports and for opening a house: nearly all that they make stays, and looking through it again and again is a
    quarter of a start. May be nested; collecting goes on after the outermost, if it was on before.
    """
    was_on = gc.isenabled()
    if was_on:  # Else it is another's to switch on again, who may do so at any moment.
        gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
