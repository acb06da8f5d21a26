"""What a subscriber agrees with the mesh: what it wants, how patiently it is asked, and what it may answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.kit.ids import random_bytes
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry

LONGEST_WORD: Final = 2_000
_CHANCE_BYTES: Final = 4
_MOST_DOUBLINGS: Final = 64
"""Past these the longest pause stands anyway, and a float ends: a full disk refuses thousands of times."""


class TryLater(Exception):
    """Raised by a subscriber that takes nothing for a while: the attempt failed, and none is made before that."""

    def __init__(self, why: str, after_s: float) -> None:
        self.after_s = after_s
        super().__init__(why)


class SubscriberGone(Exception):
    """Raised by a subscriber that will never take anything again: delivery stops until a person enables it."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how patiently a refused entry is offered again before it becomes a dead letter."""

    attempts: int = 5
    first_delay_s: float = 0.2
    factor: float = 3.0
    longest_delay_s: float = 30.0

    def delay_s(self, failed: int, entropy: Callable[[int], bytes] = random_bytes) -> float:
        """Return the pause after the nth failed attempt (from 1), somewhere in the upper half of what backoff allows.

        The chance in it keeps those that failed together from coming back together.
        """
        longest = min(self.longest_delay_s, self.first_delay_s * self.factor ** min(failed - 1, _MOST_DOUBLINGS))
        chance = int.from_bytes(entropy(_CHANCE_BYTES), "big") / 2 ** (8 * _CHANCE_BYTES)
        return longest * (0.5 + 0.5 * chance)


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants which entries. `deliver` may raise and may be slow; it must bear to see an entry twice.

    Entries of one key (run, else incident, else service) are delivered in order and one at a time; up to `concurrency`
    entries of different keys at once. An attempt that takes longer than `timeout_s` counts as failed. Its thread cannot
    be ended from outside: it is left alone, and what it does after that time is ignored.
    """

    name: str
    types: frozenset[EventType]
    deliver: Callable[[LedgerEntry], None]
    rule: RetryRule = RetryRule()
    concurrency: int = 1
    timeout_s: float | None = 60.0
    heeds: Callable[[], bool] = _always
    """Whether it wants anything at the moment: what comes while it says no may be passed over. It must not wait."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a subscriber is."""

    name: str
    types: frozenset[EventType]
    concurrency: int
    delivered: int
    """Everything up to this index is done."""
    behind: int
    """How many entries of the ledger come after that one."""
    oldest_waiting_at: datetime | None
    """When the oldest entry that is not done was written; None when nothing waits."""
    under_way: int
    resting: int
    """Keys that wait to be tried again."""
    hanging: int
    """Attempts that timed out and whose threads have not come back."""
    last_delivery_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    disabled_why: str | None
    """Why nothing is delivered at all; None while delivery goes on."""

    @property
    def is_stuck(self) -> bool:
        """Tell whether so many attempts hang that no further one is begun."""
        return self.hanging >= MOST_HANGING


MOST_HANGING: Final = 8
"""How many threads one subscriber may lose before it gets no more."""
