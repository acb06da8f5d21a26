"""The way from a path as it was named to the place it means: every symlink on it, and where it ends."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.kit.digests import digest_of
from grace.kit.filesystem.entries import tree_digest
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path, is_within
from grace.kit.filesystem.scan import scan, settled_scan
from grace.kit.filesystem.survey import Scope

_MOST_LINKS: Final = 40
"""As many as the kernel itself follows."""
_NO_LINK: Final = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})
_KERNEL: Final = (Path("/proc"), Path("/sys"))


@dataclass(frozen=True, slots=True)
class Way:
    """A named path, followed. Each link is named by its own real place."""

    named: str
    links: tuple[Path, ...]
    real: Path

    @property
    def places(self) -> tuple[Path, ...]:
        """Return what must be kept to give back what reads under the name: the real place, then the links to it.

        A link that lies in the real place is part of it already.
        """
        return (self.real, *(link for link in self.links if not is_within(link, self.real)))


def way_to(named: str) -> Way:
    """Follow a path as the kernel would; raise NotExactError for one that names nothing or leads in a circle."""
    links = _links_of(named)
    real = canonical_path(named, follow=True)
    if links and _links_of(str(real)):
        raise NotExactError(Rule.PATH_MOVED, f"{named} changed while it was followed.", "Wait until nobody changes it.")
    return Way(named, links, real)


def digest_along(way: Way, scope: Scope) -> str:
    """Return the digest of what reads under a name: the place it means and, where there are any, each link to it."""
    end = tree_digest(settled_scan(way.real, scope))
    if not way.links:
        return end
    return digest_of(
        {
            "links": {str(link): tree_digest(settled_scan(link, scope)) for link in way.links},
            "real": str(way.real),
            "reads": end,
        }
    )


def require_keepable(way: Way, forbidden: tuple[Path, ...]) -> None:
    """Raise NotExactError for the first link on a way that could not be given back, and say what to name instead."""
    for link in way.places[1:]:
        require_outside(link, forbidden)
        why = _unkeepable(link, forbidden)
        if why:
            raise NotExactError(
                Rule.LINK, f"{link}, on the way to {way.named}, {why}", f"Name {way.real} instead, in the command too."
            )


def _unkeepable(link: Path, forbidden: tuple[Path, ...]) -> str:
    if any(is_within(link, folder) for folder in _KERNEL):
        return "is a symlink that the kernel makes up."
    if not os.access(link.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"is a symlink that GRACE could not give back: it may not write in {link.parent}."
    try:
        scan(link, Scope(forbidden=forbidden))
    except NotExactError as error:
        return f"is a symlink that GRACE could not give back: {error.why}"
    return ""


def _links_of(named: str) -> tuple[Path, ...]:
    links: list[Path] = []
    rest = _parts(named)
    here = Path("/")
    while rest:
        part = rest.pop()
        place = here.parent if part == ".." else here / part
        text = None if part == ".." else _text_of(place)
        if text is None:
            here = place
            continue
        links.append(place)
        if len(links) > _MOST_LINKS:
            why = f"{named} leads through more than {_MOST_LINKS} symlinks, or in a circle."
            raise NotExactError(Rule.LINK, why, "Name the file itself.")
        here = Path("/") if text.startswith("/") else here
        rest += _parts(text)
    return tuple(dict.fromkeys(links))


def _parts(path: str) -> list[str]:
    """Return the names in a path, the last first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _text_of(place: Path) -> str | None:
    """Return what a symlink says; None for what is none."""
    try:
        text = str(place.readlink())
        str(place).encode()
    except UnicodeEncodeError as error:
        raise NotExactError(Rule.PATH_NAME, f"{str(place)!r} is no name in UTF-8.", "Name the file itself.") from error
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        why = f"{place} cannot be looked at: {error.strerror}."
        raise NotExactError(Rule.UNREADABLE, why, "Give GRACE the right to read it.") from error
    return text
