"""What rendering works with."""

from __future__ import annotations

from dataclasses import dataclass

from grace.model.catalogue import Catalogue
from grace.think.playbooks import Eyes, Hands


@dataclass(frozen=True, slots=True)
class Means:
    """What rendering may use: the names there are, eyes that look and hands that only tell."""

    catalogue: Catalogue
    eyes: Eyes
    hands: Hands
