"""Where the data is that ships with GRACE: beside `src` in a source tree, inside the package in an installed wheel."""

from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

ShippedName: TypeAlias = Literal["examples", "knowledge", "playbooks", "policies"]

SHIPPED_NAMES: Final[tuple[ShippedName, ...]] = get_args(ShippedName)
_PACKAGE: Final = Path(__file__).resolve().parent
_SOURCE_TREE: Final = _PACKAGE.parents[1]


class ShippedFolderMissingError(FileNotFoundError):
    """An installation lacks a folder that every installation must have."""

    def __init__(self, name: str, searched: tuple[Path, ...]) -> None:
        self.name = name
        self.searched = searched
        places = " and ".join(str(path) for path in searched)
        super().__init__(f"GRACE's own folder {name!r} is missing; looked in {places}. Install grace-heal again.")


def shipped_folder(name: ShippedName) -> Path:
    """Return the folder shipped under this name; raise `ShippedFolderMissingError` when the installation lacks it."""
    candidates = (_SOURCE_TREE / name, _PACKAGE / "_shipped" / name)
    in_source_tree = (_SOURCE_TREE / "hatch_build.py").is_file()
    searched = candidates if in_source_tree else candidates[1:]
    for folder in searched:
        if folder.is_dir():
            return folder
    raise ShippedFolderMissingError(name, searched)
