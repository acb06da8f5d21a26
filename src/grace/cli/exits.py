"""Exit codes: what a script may rely on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Each code means one thing."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    WAITING = 4
    ROLLED_BACK = 5
    NOT_RESTORED = 6
    LEDGER_INVALID = 7
    UNREACHABLE = 8


OF_SETTLEMENT: Final[Mapping[str, Exit]] = {
    "committed": Exit.DONE,
    "observed": Exit.DONE,
    "denied": Exit.REFUSED,
    "expired": Exit.REFUSED,
    "held": Exit.WAITING,
    "rolled_back": Exit.ROLLED_BACK,
    "aborted": Exit.ROLLED_BACK,
    "not_restored": Exit.NOT_RESTORED,
}
"""The exit code of a settled run, by the settlement's word (a test holds it to `SettlementKind`)."""
