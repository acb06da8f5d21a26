"""Random file trees and random changes to them, for properties of snapshots."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

NAMES = ("a", "b", "conf.yaml", "data", "ünïcode", "with space")


def grow(root: Path, chance: random.Random, depth: int = 2) -> None:
    """Fill a folder with files, folders and symlinks."""
    for name in chance.sample(NAMES, chance.randint(1, 4)):
        path = root / name
        match chance.randint(0, 9):
            case 0 | 1 | 2 if depth:
                path.mkdir()
                grow(path, chance, depth - 1)
                path.chmod(chance.choice([0o755, 0o700, 0o2775]))
            case 3:
                path.symlink_to(chance.choice(["a", "../nowhere", "/etc/hostname"]))
            case _:
                path.write_bytes(chance.randbytes(chance.randint(0, 300)))
                path.chmod(chance.choice([0o644, 0o600, 0o755, 0o666]))
                os.utime(path, ns=(1, chance.randint(0, 2 * 10**18)))
    if chance.random() < 0.2 and (files := [p for p in root.iterdir() if p.is_file() and not p.is_symlink()]):
        os.link(files[0], root / "twin")


def mutate(root: Path, chance: random.Random) -> None:
    """Change one thing somewhere in the tree."""
    everything = [root, *root.rglob("*")]
    files = [path for path in everything if path.is_file() and not path.is_symlink()]
    folders = [path for path in everything if path.is_dir() and not path.is_symlink()]
    below = everything[1:]
    deeds: list[Callable[[], object]] = [
        lambda: (chance.choice(folders) / f"new{chance.randint(0, 99)}").write_bytes(chance.randbytes(50)),
        lambda: (chance.choice(folders) / f"dir{chance.randint(0, 99)}").mkdir(exist_ok=True),
        lambda: _link(chance.choice(folders) / f"link{chance.randint(0, 99)}"),
        lambda: chance.choice(folders).chmod(chance.choice([0o750, 0o711])),
    ]
    if files:
        deeds += [
            lambda: chance.choice(files).write_bytes(chance.randbytes(60)),
            lambda: chance.choice(files).chmod(chance.choice([0o640, 0o4700])),
            lambda: os.utime(chance.choice(files), ns=(5, chance.randint(0, 10**18))),
            lambda: os.setxattr(chance.choice(files), "user.note", chance.randbytes(4)),
            lambda: _replace(chance.choice(files), chance.randbytes(40)),
        ]
    if below:
        deeds += [lambda: _remove(chance.choice(below)), lambda: _become(chance.choice(below), chance)]
    chance.choice(deeds)()


def _link(path: Path) -> None:
    if not os.path.lexists(path):
        path.symlink_to("somewhere")


def _replace(path: Path, content: bytes) -> None:
    path.with_name("aside").write_bytes(content)
    path.with_name("aside").replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _become(path: Path, chance: random.Random) -> None:
    """Put something of another kind at the same place."""
    was_folder = path.is_dir() and not path.is_symlink()
    _remove(path)
    if was_folder:
        path.write_bytes(b"was a folder")
    elif chance.random() < 0.5:
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
