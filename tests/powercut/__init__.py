"""Power cuts for one process: a preloaded library takes away what was not synced, then kills.

`build_shim` compiles the library, `environment` starts a program that loses power, and `assert_survived` (in
`tests.powercut.cases`) runs hundreds of cuts from a warmed-up process. What survives is chosen by the seed alone:
the same seed and the same operations leave the same files. `cut.c` says which states are possible.
"""

import subprocess
from enum import IntEnum
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
SHIM_FAILED: Final = 97
"""Exit code of a process in which the library itself met a fault; it says which on stderr."""


class Directories(IntEnum):
    """When a created, renamed or removed name is durable."""

    DURABLE = 0
    """At once: only the content of files can be lost."""
    JOURNALED = 1
    """With the next sync of any file or directory, as on ext4, xfs and btrfs."""
    STRICT = 2
    """With a sync of that directory alone, which is all that POSIX promises."""


def build_shim(folder: Path, compiler: Path = Path("gcc")) -> Path:
    """Compile the library into `folder` and return its path; a compiler's complaint is an error."""
    library = folder / "powercut.so"
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-shared", "-fPIC", "-pthread"]
    subprocess.run([str(compiler), *flags, "-o", str(library), *sources], check=True)
    return library


def environment(
    shim: Path,
    folder: Path,
    seed: int,
    cut_at: int = 0,
    *,
    directories: Directories = Directories.JOURNALED,
    signal_number: int = 0,
) -> dict[str, str]:
    """Return the variables with which a program loses power at its tracked operation `cut_at`.

    0 never cuts by count; `signal_number` names a signal that cuts at once. Programs started by that program load the
    library too, but are not armed. When the program leads its process group, the whole group dies with it.
    """
    return {
        "LD_PRELOAD": str(shim),
        "POWERCUT_FOLDER": str(folder),
        "POWERCUT_SEED": str(seed),
        "POWERCUT_AT": str(cut_at),
        "POWERCUT_DIRECTORIES": str(int(directories)),
        "POWERCUT_SIGNAL": str(signal_number),
    }
