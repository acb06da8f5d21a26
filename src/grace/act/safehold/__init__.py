"""Safe-hold: snapshots of what a plan may write, the vault that keeps them, and the three-way way back."""

from __future__ import annotations

from typing import Protocol

from grace.model.reading import Unknown
from grace.model.snapshot import Restoration, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal


class Vault(Protocol):
    """Content-addressed, durable, encrypted at rest, outside every rollback."""

    def put(self, content: bytes) -> str:
        """Store durably; return the address. Equal content has one address."""
        ...

    def get(self, address: str) -> bytes:
        """Return the content; raise `VaultCorrupt` when it does not match its address."""
        ...


class Provider(Protocol):
    """Knows how to keep, compare and give back one kind of target exactly. Entry point `grace.providers`."""

    @property
    def name(self) -> str:
        """Return the name that actions refer to: `files`, `sqlite`."""
        ...

    @property
    def confirms_by_digest(self) -> bool:
        """Tell whether `digest` may be compared over time: true for files, false where other writers are at work."""
        ...

    def take(self, target: Target, vault: Vault) -> SnapshotObject | Refusal:
        """Keep the exact state; refuse what cannot be given back."""
        ...

    def digest(self, target: Target) -> str | Unknown:
        """Return the digest of the state now, comparable with `SnapshotObject.digest`."""
        ...

    def restore(
        self, taken: SnapshotObject, ours: str | None, changes: tuple[str, ...], vault: Vault, *, rehearse: bool = False
    ) -> Restoration:
        """Give back the kept state unless somebody else changed the object; check everything before touching anything.

        `ours` is the digest right after our own write, None when that is not known. `changes` are vault addresses of
        changesets our steps recorded, oldest first (databases only). With `rehearse` nothing is written.
        """
        ...
