"""Signed notes and checkpoints as C2SP defines them (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), with Ed25519."""

import base64
import io
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from grace.kit.octets import from_base64
from grace.record.ledger.tree import HASH_SIZE, TreeHead

_ED25519: Final = b"\x01"
_KEY_ID_SIZE: Final = 4
_PRIVATE_MODE: Final = 0o600
_MOST_SIGNATURES: Final = 64
_CHECKPOINT_LINES: Final = 3
_SIGNATURE_START: Final = "— "


class NoteInvalidError(ValueError):
    """A note, checkpoint or key that is malformed or whose signature does not hold."""


class KeyUnusableError(RuntimeError):
    """The signing key cannot be used as it is."""

    def __init__(self, path: Path, why: str, what_next: str) -> None:
        self.path = path
        super().__init__(f"The signing key {path} cannot be used: {why}. {what_next}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key; its text form is `<name>+<id in hex>+<base64>`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_SIZE]

    @classmethod
    def parse(cls, text: str) -> Self:
        name, plus, rest = text.strip().partition("+")
        key_id, second_plus, material = rest.partition("+")
        raw = _unbase64(material, "verifier key")
        if not plus or not second_plus or raw[:1] != _ED25519 or len(raw) != 1 + HASH_SIZE:
            message = f"Not an Ed25519 verifier key: {text!r}; it looks like name+0123abcd+base64."
            raise NoteInvalidError(message)
        key = cls(_require_name(name), raw[1:])
        if key_id != key.id.hex():
            message = f"The verifier key {text!r} carries the id {key_id}, but its id is {key.id.hex()}."
            raise NoteInvalidError(message)
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.public)}"

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with the name under which it signs."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key = VerifierKey(_require_name(name), private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the signed note of a text that ends in a newline."""
        signature = self.key.id + self._private.sign(_require_note_text(text).encode())
        return f"{text}\n{_SIGNATURE_START}{self.key.name} {_base64(signature)}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one size."""

    origin: str
    head: TreeHead

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.head.size}\n{_base64(self.head.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint note; extension lines are allowed and mean nothing to us."""
        lines = text.split("\n")
        if len(lines) <= _CHECKPOINT_LINES or lines[-1] != "" or not all(lines[:-1]):
            message = "A checkpoint is at least three lines that are not empty: origin, size, root."
            raise NoteInvalidError(message)
        origin, size, root = lines[:_CHECKPOINT_LINES]
        if not size.isascii() or not size.isdecimal() or (size[0] == "0" and size != "0"):
            message = f"The size of a checkpoint is a plain number, not {size!r}."
            raise NoteInvalidError(message)
        root_hash = _unbase64(root, "root hash")
        if len(root_hash) != HASH_SIZE:
            message = f"The root hash of a checkpoint has {HASH_SIZE} bytes, not {len(root_hash)}."
            raise NoteInvalidError(message)
        return cls(origin, TreeHead(int(size), root_hash))


def open_note(note: str, key: VerifierKey) -> str:
    """Return the text of a note that `key` signed, or raise NoteInvalidError."""
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.split("\n")
    if not separator or lines.pop() != "" or not lines or len(lines) > _MOST_SIGNATURES:
        message = "Not a signed note: text, an empty line, and signature lines."
        raise NoteInvalidError(message)
    _require_note_text(text)
    ours = [signature for line in lines if (signature := _signature_by(line, key)) is not None]
    if not ours:
        message = f"The note is not signed by {key}."
        raise NoteInvalidError(message)
    if not all(key.accepts(text, signature) for signature in ours):
        message = f"The signature of {key.name} does not hold: the note was changed or signed by another key."
        raise NoteInvalidError(message)
    return text


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint of `key`'s own log in a note that `key` signed, or raise NoteInvalidError."""
    checkpoint = Checkpoint.parse(open_note(note, key))
    if checkpoint.origin != key.name:
        message = f"The checkpoint is of the log {checkpoint.origin!r}, the key signs for {key.name!r}."
        raise NoteInvalidError(message)
    return checkpoint


def create_key(path: Path) -> None:
    """Write a fresh private key, readable by its owner alone; an existing file is never touched (FileExistsError)."""
    raw = Ed25519PrivateKey.generate().private_bytes_raw()
    # Whole or not at all: a torn key after a power cut would lock the log out of its own name.
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_base64(raw) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def load_signer(path: Path, name: str) -> Signer:
    """Read a private key, or raise KeyUnusableError when others may read it or it is not one."""
    if path.stat().st_mode & 0o077:
        raise KeyUnusableError(
            path, "others than its owner may read it", f"Run `chmod 600 {path}`, or make a new log if it leaked."
        )
    try:
        private = Ed25519PrivateKey.from_private_bytes(_unbase64(path.read_text("ascii").strip(), "key"))
    except ValueError as error:
        raise KeyUnusableError(path, "it is not an Ed25519 key in base64", "Put the original file back.") from error
    return Signer(name, private)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed name in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def split_notes(text: str) -> tuple[str, ...]:
    """Take apart notes that were written one after the other, with empty lines between; leave a torn last one out."""
    notes: list[str] = []
    lines: list[str] = []
    for line in io.StringIO(text, newline="\n"):
        if lines and lines[-1].startswith(_SIGNATURE_START) and not line.startswith(_SIGNATURE_START):
            notes.append("".join(lines))
            lines = []
        if lines or line != "\n":
            lines.append(line)
    if lines and lines[-1].startswith(_SIGNATURE_START) and lines[-1].endswith("\n"):
        notes.append("".join(lines))
    return tuple(notes)


def _signature_by(line: str, key: VerifierKey) -> bytes | None:
    """Return the signature on a line if it claims to be by `key`; a malformed line makes the whole note malformed."""
    start, _, rest = line.partition(" ")
    name, space, encoded = rest.partition(" ")
    raw = _unbase64(encoded, "signature")
    if start != _SIGNATURE_START.strip() or not name or not space or len(raw) <= _KEY_ID_SIZE:
        message = f"Not a signature line: {line!r}."
        raise NoteInvalidError(message)
    return raw[_KEY_ID_SIZE:] if name == key.name and raw[:_KEY_ID_SIZE] == key.id else None


def _require_note_text(text: str) -> str:
    if not text.endswith("\n") or any(letter < " " and letter != "\n" for letter in text):
        message = "The text of a note ends in a newline and has no other control character."
        raise NoteInvalidError(message)
    return text


def _require_name(name: str) -> str:
    if not name or "+" in name or any(letter.isspace() for letter in name):
        message = f"A key name is not empty and has neither spaces nor plus signs: {name!r}."
        raise NoteInvalidError(message)
    return name


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unbase64(text: str, what: str) -> bytes:
    try:
        return from_base64(text)
    except ValueError as error:
        message = f"The {what} is not in canonical base64: {text!r}."
        raise NoteInvalidError(message) from error
