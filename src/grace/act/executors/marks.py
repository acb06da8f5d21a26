"""How the files read that a command says it writes: noted after it, compared before what takes it back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from grace.kit.canonical import JsonInvalidError, canonical, parse_json
from grace.kit.filesystem.paths import NotExactError
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.ways import digest_along, way_to


def mark_of(paths: Iterable[str], forbidden: tuple[Path, ...]) -> str:
    """Return how these files read now under their names, as text; why one has no digest is never equal again."""
    return canonical({path: _digest(path, forbidden) for path in paths}).decode()


def changed_since(mark: str, paths: Iterable[str], forbidden: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the files that no longer read as marked; one that could not be read then or now is among them."""
    try:
        then = parse_json(mark)
    except JsonInvalidError:
        return (*paths,)
    if not isinstance(then, dict):
        return (*paths,)
    now = cast("dict[str, str]", parse_json(mark_of(paths, forbidden)))
    named = {*then, *now}
    return tuple(sorted(path for path in named if then.get(path) != now.get(path) or not _is_known(now.get(path, ""))))


def _digest(path: str, forbidden: tuple[Path, ...]) -> str:
    try:
        return digest_along(way_to(path), Scope(forbidden=forbidden))
    except NotExactError as error:
        return f"unknown: {error.why}"


def _is_known(mark: str) -> bool:
    return mark.startswith("sha256:")
