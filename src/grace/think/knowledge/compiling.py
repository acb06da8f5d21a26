"""Compiled knowledge: what the files of a folder say, checked before and kept as JSON beside them.

Parsing and checking a few hundred kilobytes of YAML takes a good part of a server's start. A compiled pack counts only
while the digest of its file is the one that was compiled; any other file is read and checked as it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import orjson
from pydantic import JsonValue, ValidationError

from grace.think.knowledge.format import CHECKED, KnowledgePack

FILE: Final = "compiled.json"


def compiled_pack(path: Path) -> KnowledgePack | None:
    """Return the pack of a file as it was compiled; None when it was not, or says something else now."""
    try:
        known = _entries((path.parent / FILE).read_bytes())
        content = path.read_bytes()
    except (OSError, orjson.JSONDecodeError):
        return None  # whoever reads the file itself says what is wrong with it
    entry = known.get(path.name)
    if not isinstance(entry, dict) or entry.get("digest") != _digest(content):
        return None
    try:
        return KnowledgePack.model_validate_json(orjson.dumps(entry.get("pack")), strict=True, context={CHECKED: True})
    except ValidationError:
        return None  # compiled by another version of GRACE


def compile_packs(packs: Iterable[tuple[Path, KnowledgePack]]) -> bytes:
    """Return the compiled form of files that were read without a flaw."""
    entries = {path.name: {"digest": _digest(path.read_bytes()), "pack": _told(pack)} for path, pack in packs}
    return orjson.dumps(entries, option=orjson.OPT_SORT_KEYS) + b"\n"


@lru_cache(maxsize=2)
def _entries(compiled: bytes) -> dict[str, JsonValue]:
    document = orjson.loads(compiled)
    return cast("dict[str, JsonValue]", document) if isinstance(document, dict) else {}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _told(pack: KnowledgePack) -> JsonValue:
    return pack.model_dump(mode="json", exclude_unset=True)
