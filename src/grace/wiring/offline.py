"""The offline doors to a data folder that no server has open: its lock and its tokens."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from grace.api.roles import Role
from grace.api.tokens import TokenRow, TokenStore
from grace.kit.clock import SteadyClock, to_rfc3339
from grace.kit.ids import IdMint
from grace.model.warrant import Refusal
from grace.record.opening import Record, RecordPlaces, open_record
from grace.settings import Settings, StartRefusedError


def places(settings: Settings) -> RecordPlaces:
    """Return where the record of these settings lives."""
    folder = settings.data_folder.resolve()
    return RecordPlaces(folder / "grace.db", folder / "ledger.key", settings.witness.resolve())


def go_on_from(clock: SteadyClock, record: Record) -> None:
    """Let time go on from the newest entry, where the machine's clock was set back since."""
    if (newest_at := record.newest_at) is not None:
        clock.not_before(newest_at)


class FolderOpenError(StartRefusedError):
    """Another process holds the data folder: a server, also one that is only starting, or a command at work."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        whose = f" (pid {pid})" if pid is not None else ""
        super().__init__(f"Another GRACE{whose} has {folder} open: a server that runs or starts, or a command at work.")


@contextmanager
def only_one(folder: Path) -> Generator[None]:
    """Hold the data folder for this process; raise FolderOpenError when another GRACE has it open."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderOpenError(folder, _holder(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    """Return whose pid stands in the lock; None where it is not written yet."""
    said = os.pread(descriptor, 32, 0).strip()
    return int(said) if said.isdigit() else None


@dataclass(frozen=True, slots=True)
class FolderTokens:
    """The tokens of a data folder that no server has open."""

    store: TokenStore

    def issue(self, name: str, role: str, lifetime_s: float | None) -> dict[str, JsonValue]:
        """Return the new token and, this once, its secret."""
        lifetime = None if lifetime_s is None else timedelta(seconds=lifetime_s)
        issued = self.store.issue(name, Role(role), "offline", lifetime)
        return _shown(issued.token) | {"secret": issued.secret}

    def listed(self) -> list[dict[str, JsonValue]]:
        """Return every token without its secret."""
        return [_shown(row) for row in self.store.listed()]

    def revoke(self, token_id: str) -> None:
        """Revoke a token; raise LookupError when there is none of this id."""
        if isinstance(self.store.revoke(token_id, "offline"), Refusal):
            message = f"there is no token {token_id}"
            raise LookupError(message)  # noqa: TRY004 - a refusal is no wrong type


@contextmanager
def open_tokens(settings: Settings) -> Generator[FolderTokens]:
    """Open the tokens of a data folder; raise StartRefusedError when a server has it open."""
    clock = SteadyClock()
    with only_one(settings.data_folder.resolve()), open_record(places(settings), clock=clock) as record:
        go_on_from(clock, record)
        yield FolderTokens(TokenStore(record, record, clock, IdMint(clock)))


def _shown(row: TokenRow) -> dict[str, JsonValue]:
    moments = {"created_at": row.created_at, "expires_at": row.expires_at, "revoked_at": row.revoked_at}
    told: dict[str, JsonValue] = {"id": row.id, "name": row.name, "role": row.role.value}
    return told | {name: None if at is None else to_rfc3339(at) for name, at in moments.items()}
