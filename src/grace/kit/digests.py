"""Digests as text: `sha256:` and 64 hexadecimal digits."""

import hashlib
from io import BufferedIOBase
from typing import Final

from grace.kit.canonical import Json, canonical

_ALGORITHM: Final = "sha256"


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of_bytes(data: bytes) -> str:
    return f"{_ALGORITHM}:{sha256_hex(data)}"


def digest_of(value: Json) -> str:
    """Digest a value over its canonical JSON; a value without one raises NotCanonicalError."""
    return digest_of_bytes(canonical(value))


def digest_of_stream(stream: BufferedIOBase) -> str:
    """Digest a binary stream from where it stands to its end, in bounded memory."""
    return f"{_ALGORITHM}:{hashlib.file_digest(stream, _ALGORITHM).hexdigest()}"
