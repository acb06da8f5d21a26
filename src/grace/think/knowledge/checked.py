"""Checked knowledge: what files were found to say, kept as JSON in GRACE's own folder, so that a start is quick.

Parsing and checking a few hundred kilobytes of YAML takes a fifth of a server's start. What is kept counts only for a
file of exactly the same content, read by exactly the same rules of reading; anything else is read and checked again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson
from pydantic import JsonValue, ValidationError

from grace.think.knowledge import calm, matching, needles, wording
from grace.think.knowledge import format as form
from grace.think.knowledge.format import CHECKED, KnowledgePack

FILE: Final = "knowledge.checked.json"
_REMEMBERED: Final = 32
"""How many packs a process remembers."""


@dataclass(slots=True)
class CheckedPacks:
    """Packs by the digest of their file. Without a place nothing is kept."""

    place: Path | None = None
    _known: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    _used: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    @classmethod
    def within(cls, folder: Path) -> CheckedPacks:
        """Return what is kept in a folder; nothing where the file is missing or damaged: then the packs are read."""
        place = folder / FILE
        try:
            known: JsonValue = orjson.loads(place.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            known = None
        return cls(place, known if isinstance(known, dict) else {})

    def pack(self, content: bytes) -> KnowledgePack | None:
        """Return the pack of a file of this content; None when it was not read before, or by other rules."""
        name = _name(content)
        kept = self._known.get(name)
        if kept is None:
            return None
        pack = _read_again(orjson.dumps(kept))
        if pack is not None:
            self._used[name] = kept
        return pack

    def keep(self, content: bytes, pack: KnowledgePack) -> None:
        """Remember the pack of a file that was read without a flaw."""
        name = _name(content)
        if self.place is not None and name not in self._used:
            self._used[name] = pack.model_dump(mode="json", exclude_unset=True)

    def save(self) -> None:
        """Write down what was used, as a whole; raise OSError where that cannot be done."""
        if self.place is None or self._used == self._known:
            return
        draft = self.place.with_name(f".{self.place.name}.{os.getpid()}")
        draft.write_bytes(orjson.dumps(self._used, option=orjson.OPT_SORT_KEYS) + b"\n")
        draft.replace(self.place)


@lru_cache(maxsize=_REMEMBERED)
def _read_again(kept: bytes) -> KnowledgePack | None:
    """Return the pack that was kept as this JSON; None when it is none. The same is read once in a process."""
    try:
        return KnowledgePack.model_validate_json(kept, strict=True, context={CHECKED: True})
    except ValidationError:
        return None


def _name(content: bytes) -> str:
    return f"{_RULES_OF_READING}:{sha256(content).hexdigest()}"


def _digest_of_sources() -> str:
    sources = [Path(str(module.__file__)).read_bytes() for module in (form, matching, needles, wording, calm)]
    return sha256(b"\0".join(sources)).hexdigest()[:16]


_RULES_OF_READING: Final = _digest_of_sources()
"""What a check depends on beside the file: the form of a pack, and how examples are matched."""
