"""The vault: a folder of encrypted contents, each named by a keyed digest of what it holds.

The name is keyed, so that nobody can guess a small secret from an address in the ledger. A content is written beside
its place, made durable and renamed; it is checked against its name whenever it is read.
"""

from __future__ import annotations

import errno
import hmac
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from grace.act.safehold import Stage, VaultCorrupt, VaultFull
from grace.kit.cuts import cut

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_MAGIC: Final = b"GRACE vault 1\n"
_SCHEME: Final = "vault:"
_DIGITS: Final = frozenset("0123456789abcdef")
_STAGED: Final = ".staged"
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077


class VaultKeyUnsafe(Exception):
    """The key file is not one that GRACE may use; it refuses to start and says what to do."""

    def __init__(self, file: Path, why: str, way_out: str) -> None:
        self.file = file
        self.why = why
        self.way_out = way_out
        super().__init__(f"The vault's key {file} {why} {way_out}")


class VaultGone(Exception):
    """The folder is gone, and runs need what it held; GRACE refuses to start until a person has decided."""

    def __init__(self, folder: Path, needed_by: str) -> None:
        self.folder = folder
        super().__init__(
            f"The vault {folder} is gone: there is no way back for {needed_by}. Put it back from its backup. "
            f"To go on without these ways back, knowingly: mkdir -m 700 {folder}"
        )


class FolderVault:
    """A vault in one folder. One process at a time writes to it."""

    def __init__(self, folder: Path, key: bytes, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._folder = folder
        self._within = f"{folder}/"
        self._entropy = entropy
        self._naming = _derived(key, b"names")
        self._cipher = AESGCM(_derived(key, b"contents"))
        self._under_way: set[_Staging] = set()
        """What has begun to give contents their names, and has not made these durable yet."""

    def put(self, content: bytes) -> str:
        """Store durably; return the address; raise VaultFull, leaving nothing, when there is no room."""
        with self.stage() as stage:
            return stage.put(content)

    def get(self, address: str) -> bytes:
        """Return the content; raise VaultCorrupt when it is gone or not what the address names."""
        try:
            with open(self._place(address), "rb", buffering=0) as file:  # noqa: PTH123 - a path as text
                stored = file.read()
        except FileNotFoundError:
            raise VaultCorrupt(address, "it is not there.") from None
        if not stored.startswith(_MAGIC):
            raise VaultCorrupt(address, "the file is not one of this vault.")
        nonce, sealed = stored[len(_MAGIC) :][:_NONCE_BYTES], stored[len(_MAGIC) + _NONCE_BYTES :]
        try:
            content = self._cipher.decrypt(nonce, sealed, address.encode())
        except (InvalidTag, ValueError):
            raise VaultCorrupt(address, "the file was changed or belongs to another key.") from None
        if self.address_of(content) != address:
            raise VaultCorrupt(address, "its content does not match its name.")
        return content

    @contextmanager
    def stage(self) -> Generator[Stage]:
        """Keep all that is put inside the block, durably at its end; an exception inside leaves nothing behind."""
        staging = _Staging(self)
        try:
            yield staging
            with _room(self._folder):
                self._publish(staging)
        finally:
            for aside in staging.aside.values():
                with suppress(FileNotFoundError):
                    os.unlink(aside)  # noqa: PTH108

    def address_of(self, content: bytes) -> str:
        """Return the address that this content has in this vault; stores nothing."""
        return f"{_SCHEME}{hmac.digest(self._naming, content, 'sha256').hex()}"

    def addresses(self) -> Iterator[str]:
        """Yield the address of everything that is kept."""
        return (f"{_SCHEME}{file.name}" for file in sorted(self._folder.iterdir()) if _is_name(file.name))

    def holds(self, address: str) -> bool:
        """Tell whether the content is there and whole."""
        try:
            self.get(address)
        except VaultCorrupt:
            return False
        return True

    def set_aside(self, address: str, content: bytes) -> str:
        """Write the content durably beside its place; raise VaultFull, leaving nothing, when there is no room."""
        nonce = self._entropy(_NONCE_BYTES)
        aside = f"{self._place(address)}.{self._entropy(8).hex()}{_STAGED}"
        with _room(self._folder), os.fdopen(os.open(aside, _NEW_FILE, _PRIVATE), "wb", buffering=0) as file:
            try:
                _write_all(file.fileno(), _MAGIC + nonce + self._cipher.encrypt(nonce, content, address.encode()))
                os.fsync(file.fileno())
            except OSError:
                os.unlink(aside)  # noqa: PTH108
                raise
        return aside

    def _publish(self, staging: _Staging) -> None:
        """Give what was staged its names, durably; what was kept before may have got its own just now from others."""
        aside = staging.aside
        if aside:
            self._under_way.add(staging)
        elif not self._under_way:
            return
        for address in tuple(aside):
            os.rename(aside[address], self._place(address))  # noqa: PTH104
            del aside[address]
            cut("safehold.vault.renamed")
        sync_folder(self._folder)
        self._under_way.discard(staging)

    def _place(self, address: str) -> str:
        """Return where a content lies, as text: a path is made several times for every one that is kept."""
        name = address.removeprefix(_SCHEME)
        if not address.startswith(_SCHEME) or not _is_name(name):
            raise VaultCorrupt(address, "that is no address of a vault.")
        return self._within + name


class _Staging:
    """Contents written beside their places, not yet under their names."""

    def __init__(self, vault: FolderVault) -> None:
        self._vault = vault
        self.aside: dict[str, str] = {}

    def put(self, content: bytes) -> str:
        """Hold the content ready and return its address; raise VaultFull when there is no room."""
        address = self._vault.address_of(content)
        if address not in self.aside and not self._vault.holds(address):
            self.aside[address] = self._vault.set_aside(address, content)
            cut("safehold.vault.staged")
        return address


def open_vault(folder: Path, key_file: Path, entropy: Callable[[int], bytes] = os.urandom) -> FolderVault:
    """Open the vault for the one process that writes to it; make folder and key on the first start.

    What an interrupted `put` left is swept. Raise VaultKeyUnsafe when the key is not private to its owner, or is gone
    while there are contents that only it can open.
    """
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    for leftover in folder.glob(f"*{_STAGED}"):
        leftover.unlink()
    if any(_is_name(kept.name) for kept in folder.iterdir()) and not key_file.exists():
        raise VaultKeyUnsafe(key_file, f"is gone, but {folder} holds contents.", "Put the key back from its backup.")
    sync_folder(folder)  # Whoever was here before may have died between naming a content and making that durable.
    return FolderVault(folder, load_or_make_key(key_file, entropy), entropy)


def is_kept(folder: Path, address: str) -> bool:
    """Tell whether a content of this address lies in the vault of a folder; whether it is whole, `get` tells."""
    return (folder / address.removeprefix(_SCHEME)).is_file()


def load_or_make_key(file: Path, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
    """Return the key in a file that only its owner can read; make it, durably, when there is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make_key(file, entropy)
    except OSError as error:
        raise VaultKeyUnsafe(file, f"cannot be opened: {error.strerror}.", "Make it a plain file of yours.") from error
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & _OTHERS or status.st_uid != os.geteuid():
            way_out = f"Run: chown {os.geteuid()} {file} && chmod 600 {file}"
            raise VaultKeyUnsafe(file, "must be a file that only its owner can read.", way_out)
        key = opened.read()
    if len(key) != _KEY_BYTES:
        raise VaultKeyUnsafe(file, f"has {len(key)} bytes, not {_KEY_BYTES}.", "Put the key back from its backup.")
    return key


def _make_key(file: Path, entropy: Callable[[int], bytes]) -> bytes:
    key = entropy(_KEY_BYTES)
    file.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.{entropy(8).hex()}{_STAGED}")
    with os.fdopen(os.open(aside, _NEW_FILE, _PRIVATE), "wb", buffering=0) as opened:
        _write_all(opened.fileno(), key)
        os.fsync(opened.fileno())
    try:
        os.link(aside, file)
    finally:
        aside.unlink()
    sync_folder(file.parent)
    return key


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"grace vault " + purpose).derive(key)


def _is_name(name: str) -> bool:
    return len(name) == 2 * _KEY_BYTES and set(name) <= _DIGITS


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _room(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise VaultFull(str(folder), str(error.strerror)) from error
