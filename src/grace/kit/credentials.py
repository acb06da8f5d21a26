"""Secrets that nobody can guess, and what may be kept of them."""

import base64
import os
from collections.abc import Callable
from typing import Final

from grace.kit.digests import sha256_hex

SECRET_BYTES: Final = 32


def new_secret(prefix: str, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Make a secret of 256 random bits that can be told from others by its prefix: `grace_...`."""
    return f"{prefix}_{base64.urlsafe_b64encode(entropy(SECRET_BYTES)).rstrip(b'=').decode('ascii')}"


def hash_of_secret(secret: str) -> str:
    """Return what is kept in place of a secret. One round is enough: 256 random bits cannot be tried out."""
    return sha256_hex(secret.encode("utf-8", "surrogatepass"))
