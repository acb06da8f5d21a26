"""Target: one thing in the world that an action may write, named the same way by everybody."""

from __future__ import annotations

from typing import Self

from grace.model.noun import Noun


class Target(Noun):
    """A canonical name: kind, host and real path or id. Its key is what is locked and quarantined."""

    kind: str
    host: str
    id: str

    @property
    def key(self) -> str:
        """Return `kind:host:id`, equal for two names of one thing."""
        return f"{self.kind}:{self.host}:{self.id}"

    @classmethod
    def parse(cls, key: str) -> Self:
        """Read back a key; raise ValueError unless it has the three parts."""
        kind, host, identity = key.split(":", 2)
        return cls(kind=kind, host=host, id=identity)
