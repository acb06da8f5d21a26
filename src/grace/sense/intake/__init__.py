"""Doors, one file per source: each turns a foreign message into signals and accepts them durably before it says yes.

A door parses bytes into `Signal`s or says what is wrong with them; `Intake` keeps signals. Which incident a signal
belongs to is asked of a `Grouper`, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from grace.model.signal import Signal
from grace.record import Transaction


class Grouper(Protocol):
    """Find or open the incident of each signal."""

    def fingerprint(self, signal: Signal) -> str:
        """Name the fault behind a signal; pure."""
        ...

    def group(self, tx: Transaction, signals: Sequence[Signal], fingerprints: Sequence[str]) -> Sequence[str]:
        """Count new signals, in their order, and return the id of the incident of each."""
        ...


class Fault(StrEnum):
    """Why a door refuses."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Flawed:
    """One thing that is wrong: the field, and which limit or rule it breaks."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """A message that a door refuses for good: sending it again would change nothing."""

    fault: Fault
    flaws: tuple[Flawed, ...]


@dataclass(frozen=True, slots=True)
class SessionNews:
    """What an SDK says of one process: how many sequence numbers it gave out, and whether it ended without a close."""

    session: str
    issued: int
    over: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What one message to a door holds."""

    signals: tuple[Signal, ...]
    news: tuple[SessionNews, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """One signal of a receipt and the incident it belongs to: none for a step of an operation that is no failure."""

    id: str
    incident: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was kept durably; a duplicate was kept earlier."""

    accepted: int
    duplicates: int
    signals: tuple[Kept, ...]
