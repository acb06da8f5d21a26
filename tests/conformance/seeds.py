"""Two hundred seeds: a few of them run always, all of them, in parts, where slow tests run."""

from __future__ import annotations

from typing import Any, Final

import pytest

SEEDS: Final = 200


def in_parts(few: int, part: int) -> list[Any]:
    """Return every seed once as parameters: a few at first, then so many at a time, marked slow."""
    slow = [
        pytest.param(range(start, min(start + part, SEEDS)), id=f"from-{start}", marks=pytest.mark.slow)
        for start in range(few, SEEDS, part)
    ]
    return [pytest.param(range(few), id="few"), *slow]
