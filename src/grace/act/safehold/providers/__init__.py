"""Providers, a file for each kind of target that can be given back exactly. Found by entry point `grace.providers`.

An entry point names a function that takes `Surroundings` and returns a `Provider`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from grace.act.safehold import Provider
from grace.kit.sqlite_child import SqliteChild


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a provider is given when GRACE is put together."""

    forbidden: tuple[Path, ...]
    """Real folders that no restore may reach: GRACE's own state."""
    redact: Callable[[str], str]
    """Takes secrets out of a text that people will read."""
    sqlite: SqliteChild
    """The writer child: target databases are opened in it alone."""


ProviderFactory: TypeAlias = Callable[[Surroundings], Provider]
