"""Evidence: files and logs of the target as they were before the first write, so that a cure destroys no trace."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from grace.act.safehold import Vault
from grace.kit.digests import sha256_hex
from grace.model.snapshot import KeptEvidence
from grace.model.warrant import Refusal

MOST_BYTES = 1 << 20
"""Of a longer file the last megabyte is kept: in a log, the end tells."""

_SQLITE_MAGIC = b"SQLite format 3\0"


def keep_evidence(paths: Iterable[str], vault: Vault) -> tuple[KeptEvidence, ...] | Refusal:
    """Store what can be read of each path, encrypted in the vault; absent files are no evidence and no fault.

    A database is left alone: opening and closing its file would drop the locks that this process holds on it.
    """
    kept: list[KeptEvidence] = []
    for path in paths:
        try:
            found = _end_of(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            return Refusal(
                rule="evidence", why=f"{path} cannot be read: {error.strerror}", next="check its permissions"
            )
        if found is None:
            continue
        content, size = found
        kept.append(
            KeptEvidence(
                name=os.path.basename(path),  # noqa: PTH119 - text in, text out
                source=path,
                content=vault.put(content),
                digest=f"sha256:{sha256_hex(content)}",
                size=size,
            )
        )
    return tuple(kept)


def _end_of(path: str) -> tuple[bytes, int] | None:
    if path.endswith(("-wal", "-shm", "-journal")):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)  # A folder cannot even be opened as a file; what is in it, the snapshot keeps.
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
            return None
        file.seek(max(0, status.st_size - MOST_BYTES))
        return file.read(MOST_BYTES), status.st_size
