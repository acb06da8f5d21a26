"""Hindsight: what GRACE reads out of old logs, from their text alone."""

from __future__ import annotations

from datetime import datetime

from grace.model.diagnosis import Diagnosis
from grace.model.noun import Noun
from grace.model.signal import Severity


class PastIncident(Noun):
    """Log messages that are one fault: how often, when, and what the text alone says of their cause."""

    title: str
    """The first of its messages, in one line."""
    count: int
    severity: Severity | None
    """The highest that its lines name; None where none does."""
    first_seen: datetime | None
    """By the times in the lines; None where they have none, or none with a year."""
    last_seen: datetime | None
    file: str
    line: int
    """Where its first message stands."""
    diagnosis: Diagnosis
    playbooks: tuple[str, ...] = ()
    """Playbooks for such a cause. Whether one fits needs the service, its declaration, and a look at the world."""


class Hindsight(Noun):
    """What files hold: how much was read, and the incidents in it, most frequent first."""

    lines: int
    messages: int
    """Messages: lines with those that continue them."""
    quiet: int
    """Messages that say themselves that they are no trouble: info, debug, trace, notice."""
    unclear: int
    """Messages without a level of trouble, whose text is not known for a fault either."""
    left_out: int = 0
    """Messages of further kinds, once there were too many kinds to keep apart."""
    incidents: tuple[PastIncident, ...] = ()
    basis: str = "from text only"
