"""The ground of one drill: its folder, its scratch database, and the declaration of its service."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from grace.model.drill import DRILL_SERVICE
from grace.shipped import shipped_folder

_PRIVATE: Final = 0o700
_MARK: Final = "DRILL"
"""A file that only GRACE writes: a folder without it is somebody else's and is never removed."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where one drill lies."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "scratch.db"

    @property
    def services(self) -> Path:
        return self.folder / "grace.yaml"

    @property
    def clerk_log(self) -> Path:
        return self.folder / "clerk.log"

    @property
    def holder_log(self) -> Path:
        return self.folder / "hold_lock.log"

    def declare(self, address: str, owner: str) -> None:
        """Write the declaration of the service, once the clerk's address is known."""
        template = Template((programs() / "grace.template.yaml").read_text(encoding="utf-8"))
        text = template.substitute(service=DRILL_SERVICE, owner=owner, database=self.database, address=address)
        self.services.write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder)


def programs() -> Path:
    """Return the folder of the programs that play in a drill."""
    return shipped_folder("examples") / "drill"


def make_ground(root: Path, drill_id: str) -> Ground:
    """Make the folder and the scratch database of a drill; raise OSError where that cannot be done."""
    root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    ground = Ground(root.resolve() / drill_id)
    ground.folder.mkdir(mode=_PRIVATE)
    (ground.folder / _MARK).write_text("Made by GRACE for a drill; removed by GRACE.\n", encoding="utf-8")
    with closing(sqlite3.connect(ground.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, taken_at REAL NOT NULL)")
    return ground


def grounds_left(root: Path) -> tuple[Ground, ...]:
    """Return what earlier drills left behind, oldest first."""
    if not root.is_dir():
        return ()
    return tuple(Ground(folder.resolve()) for folder in sorted(root.iterdir()) if (folder / _MARK).is_file())
