"""Digests as text: `sha256:` and 64 hexadecimal digits."""

import hashlib
from collections.abc import Iterable
from io import BufferedIOBase
from pathlib import Path
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


def digest_of_chunks(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"{_ALGORITHM}:{digest.hexdigest()}"


def digest_of_stream(stream: BufferedIOBase) -> str:
    """Digest a binary stream from where it stands to its end, in bounded memory."""
    return f"{_ALGORITHM}:{hashlib.file_digest(stream, _ALGORITHM).hexdigest()}"


def digest_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return digest_of_stream(stream)


def is_digest(text: str) -> bool:
    algorithm, colon, rest = text.partition(":")
    return algorithm == _ALGORITHM and colon == ":" and len(rest) == 2 * 32 and not set(rest) - set("0123456789abcdef")
