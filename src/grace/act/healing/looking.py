"""Look once: what `find` steps and preconditions need of the eyes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from grace.act.verification import Eyes
from grace.act.verification.measuring import read_safely
from grace.model.reading import Known, Unknown


class Looker:
    """Aims a probe, reads it once, and turns whatever goes wrong into `Unknown`."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        """Return what the probe finds now."""
        return read_safely(self._eyes.aim(uses, parameters))
