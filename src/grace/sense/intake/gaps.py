"""Gaps: how many signals of each process were numbered and never came.

A sender numbers its signals without a gap. What it numbered and what arrived differ by what waits with it, as long as
it lives, and by what was lost, once it is over: a buffer that overflowed, a disk that refused, a kill -9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from grace.kit.clock import to_rfc3339
from grace.model.signal import Signal
from grace.record import Transaction
from grace.sense.intake import SessionNews

_ADD: Final = """
INSERT INTO senders (id, service, issued, received, is_over, seen_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    service = CASE excluded.service WHEN '' THEN service ELSE excluded.service END,
    issued = max(issued, excluded.issued),
    received = received + excluded.received,
    is_over = max(is_over, excluded.is_over),
    seen_at = max(seen_at, excluded.seen_at)
"""


@dataclass(slots=True)
class _Heard:
    """What was heard of one process in one transaction."""

    seen_at: datetime
    service: str = ""
    issued: int = 0
    received: int = 0
    is_over: bool = False


def add_up(tx: Transaction, fresh: Iterable[Signal], news: Iterable[SessionNews]) -> None:
    """Count signals that are new, and note what was said of processes."""
    heard: dict[str, _Heard] = {}
    for signal in fresh:
        if signal.session and signal.sequence is not None:
            of = heard.setdefault(signal.session, _Heard(signal.received_at))
            of.service, of.received = signal.service, of.received + 1
            of.issued = max(of.issued, signal.sequence)
    for one in news:
        of = heard.setdefault(one.session, _Heard(one.at))
        of.issued, of.is_over = max(of.issued, one.issued), of.is_over or one.over
    driver = tx.driver
    for session, of in heard.items():
        driver.execute(_ADD, (session, of.service, of.issued, of.received, int(of.is_over), to_rfc3339(of.seen_at)))
