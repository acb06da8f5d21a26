"""Signatures as in Standard Webhooks 1.0: who holds the secret can tell that a message is ours, whole and fresh."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "whsec_"
_SHORTEST_BYTES: Final = 24
_LONGEST_BYTES: Final = 64


class SecretUnfitError(ValueError):
    """A text that is no secret for signing; it says why and never what."""


def key_of(secret: str) -> bytes:
    """Return the key in a secret, `whsec_` and the base64 of 24 to 64 random bytes; raise SecretUnfitError."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        message = "the secret is not base64"
        raise SecretUnfitError(message) from error
    if not _SHORTEST_BYTES <= len(key) <= _LONGEST_BYTES:
        message = f"the secret has {len(key)} bytes, and {_SHORTEST_BYTES} to {_LONGEST_BYTES} are needed"
        raise SecretUnfitError(message)
    return key


def signed(keys: Sequence[bytes], message_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that sign a body; with several keys any one of them verifies it, so that keys can change."""
    told = b".".join((message_id.encode(), str(at_s).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, told, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
