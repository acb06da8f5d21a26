"""Safe-hold: snapshots of what a plan may write, the vault that keeps them, and the three-way way back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from grace.model.reading import Unknown
from grace.model.snapshot import Restoration, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal


class VaultCorrupt(Exception):
    """What an address names is gone, cannot be decrypted, or is not what was put there."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        self.why = why
        super().__init__(f"The vault cannot give back {address}: {why}")


class VaultFull(Exception):
    """The disk has no room for what was to be kept; nothing of it stays."""

    def __init__(self, folder: str, why: str) -> None:
        self.folder = folder
        self.why = why
        super().__init__(f"The vault in {folder} has no room: {why}. Free space there, or move the data folder.")


class Stage(Protocol):
    """Several contents that are kept together or not at all."""

    def put(self, content: bytes) -> str:
        """Hold the content ready and return its address; raise `VaultFull` when there is no room."""
        ...


class Vault(Protocol):
    """Content-addressed, durable, encrypted at rest, outside every rollback."""

    def put(self, content: bytes) -> str:
        """Store durably; return the address. Equal content has one address. Raise `VaultFull` when there is no room."""
        ...

    def get(self, address: str) -> bytes:
        """Return the content; raise `VaultCorrupt` when it does not match its address."""
        ...

    def stage(self) -> AbstractContextManager[Stage]:
        """Keep all that is put inside the block, durably at its end; an exception inside leaves nothing behind."""
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

        `changes` is what our steps recorded of what they write (the `changeset` of their handles), oldest first; it
        tells ours from theirs object by object and row by row. `ours` is the digest right after our own write, for
        steps that recorded nothing; None when that is not known. With `rehearse` nothing is written.
        """
        ...
