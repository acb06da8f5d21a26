"""Random file trees and random changes to them, as mean as a file system allows, for properties of snapshots."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

NAMES: Final = (
    "a",
    "b",
    "conf.yaml",
    "data",
    "ünïcode",
    "u\u0308ni\u0308code",
    "with space",
    "new\nline",
    "tab\tand\x01control",
    "-rf",
    "~",
    "caf\udce9",
    "back\\slash",
    "x" * 255,
)
"""The last but two is no UTF-8 on disk; the last is as long as a name may be."""
TARGETS: Final = ("a", "b", ".", "..", "../..", "../nowhere", "/etc/hostname", "/", "caf\udce9", "y" * 1000, "loop")
MODES: Final = (0o644, 0o600, 0o755, 0o666, 0o400, 0o4755, 0o2755, 0o1644, 0o6711)
FOLDER_MODES: Final = (0o755, 0o700, 0o2775, 0o1777, 0o3770)
TIMES: Final = (0, 1, -1, 999_999_999, -(10**18), 2**31 * 10**9, 4 * 10**18)
"""Nanoseconds: the epoch, beside it, long before it, and where 32 bits end."""
_SPARSE_BYTES: Final = 300_000
_DEEP: Final = 14


def grow(root: Path, chance: random.Random, depth: int = 2) -> None:
    """Fill a folder with files, folders and symlinks."""
    for name in chance.sample(NAMES, chance.randint(1, 4)):
        path = root / name
        if os.path.lexists(path):
            continue
        match chance.randint(0, 12):
            case 0 | 1 | 2 if depth:
                path.mkdir()
                grow(path, chance, depth - 1)
                _dress_folder(path, chance)
            case 3:
                path.symlink_to(chance.choice(TARGETS))
                _retime(path, chance)
            case 4:
                path.mkdir()
                _dress_folder(path, chance)
            case 5:
                _deepen(path, chance)
            case 6:
                _loop(root, chance)
            case _:
                _fill(path, chance)
                _dress(path, chance)
    if chance.random() < 0.3 and (files := [p for p in root.iterdir() if _is_file(p)]):
        os.link(files[0], root / "twin")


def mutate(root: Path, chance: random.Random) -> None:
    """Change one thing somewhere in the tree."""
    everything = [root, *_below(root)]
    files = [path for path in everything if _is_file(path)]
    folders = [path for path in everything if _is_folder(path)]
    links = [path for path in everything if path.is_symlink()]
    below = everything[1:]
    deeds: list[Callable[[], object]] = [
        lambda: _fill(_free(chance.choice(folders), chance), chance),
        lambda: _free(chance.choice(folders), chance).mkdir(),
        lambda: _free(chance.choice(folders), chance).symlink_to(chance.choice(TARGETS)),
        lambda: _dress_folder(chance.choice(folders), chance),
        lambda: _loop(chance.choice(folders), chance),
    ]
    if files:
        deeds += [
            lambda: chance.choice(files).write_bytes(chance.randbytes(60)),
            lambda: chance.choice(files).write_bytes(b""),
            lambda: _punch(chance.choice(files), chance),
            lambda: _dress(chance.choice(files), chance),
            lambda: _retime(chance.choice(files), chance),
            lambda: _replace(chance.choice(files), chance.randbytes(40)),
            lambda: os.link(chance.choice(files), _free(chance.choice(folders), chance)),
            lambda: _own(chance.choice(files), chance),
        ]
    if links:
        deeds += [lambda: _point_elsewhere(chance.choice(links), chance), lambda: _own(chance.choice(links), chance)]
    if below:
        deeds += [
            lambda: _remove(chance.choice(below)),
            lambda: _become(chance.choice(below), chance),
            lambda: _rotate(chance.sample(below, min(len(below), chance.randint(2, 3)))),
            lambda: _move(chance.choice(below), chance.choice(folders), chance),
        ]
    chance.choice(deeds)()


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _below(root: Path) -> list[Path]:
    """Return everything below, never through a symlink; `rglob` stumbles over names that are no UTF-8."""
    found: list[Path] = []
    for place, folders, files in os.walk(root):
        found += [Path(place) / name for name in (*folders, *files)]
    return found


def _free(folder: Path, chance: random.Random) -> Path:
    """Return a place in the folder where nothing stands."""
    free = [name for name in (*NAMES, f"new{chance.randint(0, 10**9)}") if not os.path.lexists(folder / name)]
    return folder / chance.choice(free)


def _fill(path: Path, chance: random.Random) -> None:
    match chance.randint(0, 5):
        case 0:
            path.touch()
        case 1:
            with path.open("wb") as file:
                file.truncate(_SPARSE_BYTES)
                file.seek(chance.randint(0, _SPARSE_BYTES))
                file.write(b"island")
        case _:
            path.write_bytes(chance.randbytes(chance.randint(1, 300)))


def _punch(path: Path, chance: random.Random) -> None:
    """Cut a file off, or make it longer than what is written."""
    os.truncate(path, chance.randint(0, 5000))


def _dress(path: Path, chance: random.Random) -> None:
    path.chmod(chance.choice(MODES))
    _mark(path, chance)
    _retime(path, chance)


def _dress_folder(path: Path, chance: random.Random) -> None:
    path.chmod(chance.choice(FOLDER_MODES))
    _mark(path, chance)
    _retime(path, chance)


def _mark(path: Path, chance: random.Random) -> None:
    name = chance.choice(["user.note", "user.ünïcode", "user.empty", "trusted.note"])
    if name in os.listxattr(path) and chance.random() < 0.5:
        os.removexattr(path, name)
        return
    if name.startswith("user.") or os.geteuid() == 0:
        os.setxattr(path, name, b"" if name == "user.empty" else chance.randbytes(chance.randint(1, 80)))


def _retime(path: Path, chance: random.Random) -> None:
    time = chance.choice([*TIMES, chance.randint(0, 2 * 10**18)])
    os.utime(path, ns=(5, time), follow_symlinks=False)


def _own(path: Path, chance: random.Random) -> None:
    """Give it to somebody else; only root may."""
    if os.geteuid() == 0:
        os.chown(path, chance.choice([0, 1, 65534]), chance.choice([0, 5]), follow_symlinks=False)


def _deepen(path: Path, chance: random.Random) -> None:
    """Make folders inside each other, with something at the bottom."""
    path.mkdir()
    for number in range(chance.randint(1, _DEEP)):
        path = path / chance.choice(("d", "ünïcode", f"{number}"))
        path.mkdir()
    (path / "bottom").write_bytes(b"deep")


def _loop(folder: Path, chance: random.Random) -> None:
    """Make symlinks that lead to themselves, or to each other."""
    one, other = _free(folder, chance), folder / "loop"
    if os.path.lexists(other) or one == other:
        return
    one.symlink_to(other.name)
    other.symlink_to(one.name if chance.random() < 0.5 else other.name)


def _point_elsewhere(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(chance.choice(TARGETS))


def _replace(path: Path, content: bytes) -> None:
    path.with_name("aside").write_bytes(content)
    path.with_name("aside").replace(path)


def _move(path: Path, folder: Path, chance: random.Random) -> None:
    """Give it another name, perhaps elsewhere; a folder cannot go into itself."""
    _unless_inside_itself(path, _free(folder, chance))


def _rotate(paths: list[Path]) -> None:
    """Let each take the name of the next: what stood there goes on to the one after it."""
    aside = paths[0].with_name(".rotating")
    if any(one != other and one in other.parents for one in paths for other in paths):
        return
    paths[0].rename(aside)
    for place, comes in itertools.pairwise(paths):
        comes.rename(place)
    aside.rename(paths[-1])


def _unless_inside_itself(path: Path, place: Path) -> None:
    try:
        path.rename(place)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink()


def _become(path: Path, chance: random.Random) -> None:
    """Put something of another kind at the same place."""
    was_folder = _is_folder(path)
    _remove(path)
    if was_folder:
        path.write_bytes(b"was a folder")
    elif chance.random() < 0.5:
        path.mkdir()
        (path / "inside").write_bytes(b"was no folder")
    else:
        path.symlink_to("elsewhere")
