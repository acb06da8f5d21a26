"""Drills: a real fault in scratch things that GRACE made itself, so that anybody can watch a heal from end to end.

A drill is a folder, two small programs (`examples/drill`) and a service declared for them in the environment `drill`.
Everything after the first signal is the ordinary way: door, incident, diagnosis, policy, deed, verdict. The ports here
are what a drill needs of the other rooms.
"""

from __future__ import annotations

from typing import Protocol

from grace.model.incident import Incident
from grace.model.service import Service
from grace.model.warrant import Refusal


class Declarer(Protocol):
    """Where services are declared while GRACE runs."""

    def declare(self, service: Service) -> None:
        """Add a service, or replace the one of the same name and environment."""
        ...


class Sender(Protocol):
    """Hands signals in at the native door."""

    def __call__(self, body: bytes) -> Refusal | None:
        """Return after the signal is durable, or why it was not taken."""
        ...


class Closer(Protocol):
    """Closes incidents that an earlier drill left open."""

    def close(self, incident: Incident, by: str, reason: str) -> Incident | Refusal: ...
