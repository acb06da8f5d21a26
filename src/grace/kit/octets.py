"""Bytes as text: base64 that has one spelling for each value."""

import base64


def from_base64(text: str) -> bytes:
    """Read canonical base64 (RFC 4648, with padding); raise ValueError for any other spelling of the same bytes.

    A lenient reader drops the unused bits of the last character: then text that is signed over could be changed unseen.
    """
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode("ascii") != text:
        message = "not in canonical base64"
        raise ValueError(message)
    return raw
