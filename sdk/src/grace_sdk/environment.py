"""The only place of the SDK that reads the environment."""

from __future__ import annotations

import os


def dsn_from_environment() -> str:
    """Return GRACE_DSN, or an empty text: then the SDK stays silent."""
    return os.environ.get("GRACE_DSN", "")
