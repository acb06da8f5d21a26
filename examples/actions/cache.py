"""Actions on caches: a folder whose files can be made again.

Name this folder in GRACE_ACTION_FOLDERS, or install a module like this one under the entry point `grace.actions`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from grace.authoring.action import AbsolutePath, Exact, Field, File, RefusedError, Unknown, action


@action(
    "cache.flush",
    summary="Empty the folder of a cache",
    reversibility=Exact(snapshot="files"),
    target=File("path"),
    blast_radius="everything in one folder, not the folder itself",
)
def flush(path: AbsolutePath, at_most: Annotated[int, Field(ge=1, le=10_000)] = 1000) -> None:
    """Remove everything in the folder; refuse when there is more than anybody foresaw."""
    folder = Path(path)
    if not folder.is_dir():
        why = f"{folder.name} is no folder"
        raise RefusedError(why, "Name the folder of the cache.")
    entries = list(folder.iterdir())
    if len(entries) > at_most:
        why = f"{folder.name} holds {len(entries)} entries, more than {at_most}"
        raise RefusedError(why, "Raise `at_most`, if so many may go.")
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@flush.already_done
def is_empty(path: AbsolutePath) -> bool | Unknown:
    """Tell whether there is nothing in the folder."""
    folder = Path(path)
    if not folder.is_dir():
        return Unknown(why=f"{folder} is no folder")
    return not any(folder.iterdir())
