"""Units: which systemd service a process belongs to, and what its unit file says. Only files are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.kit.filesystem.plain import read_plain

UNIT_FOLDERS: Final = (
    Path("/etc/systemd/system"),
    Path("/run/systemd/system"),
    Path("/usr/local/lib/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
"""In the order in which systemd looks; a file in an earlier one hides those after it."""
_MOST_BYTES: Final = 256 * 1024
_SERVICE: Final = re.compile(r"/([^/]+)\.service(?:/|$)")


@dataclass(frozen=True, slots=True)
class Unit:
    """One service unit: its name, its file and what that says of interest."""

    name: str
    file: Path
    is_administrators: bool
    """It was written for this machine, not shipped with the system."""
    pid_file: str = ""
    needs: tuple[str, ...] = ()
    """Names of services that it requires or wants."""
    appends: tuple[str, ...] = ()
    """Files that its output is appended to."""


@dataclass(frozen=True, slots=True)
class UnreadableUnit:
    """A unit that a process belongs to, and whose file cannot be read."""

    name: str
    why: str


def unit_of(cgroups: Sequence[str]) -> str:
    """Return the name of the service that a process's control groups belong to, without `.service`; else nothing."""
    for group in cgroups:
        found = _SERVICE.findall(group)
        if found and not found[-1].startswith("user@"):
            return found[-1]
    return ""


def read_unit(name: str, folders: Sequence[Path] = UNIT_FOLDERS) -> Unit | UnreadableUnit:
    """Return what the unit file says; the template of `name@instance` where the unit has no file of its own."""
    template = re.sub(r"@.*", "@", name)
    for folder in folders:
        for written in dict.fromkeys((name, template)):
            file = folder / f"{written}.service"
            try:
                content = read_plain(file, _MOST_BYTES)
            except FileNotFoundError:
                continue
            except OSError as error:
                return UnreadableUnit(name, f"{file}: {error.strerror}")
            return _unit(name, file, content.decode("utf-8", "replace"), is_administrators=folder == folders[0])
    return UnreadableUnit(name, "no unit file of this name was found")


def _unit(name: str, file: Path, content: str, *, is_administrators: bool) -> Unit:
    said = _settings(content)
    outputs = (*said.get("Service.StandardOutput", ()), *said.get("Service.StandardError", ()))
    needs = " ".join((*said.get("Unit.Requires", ()), *said.get("Unit.Wants", ()), *said.get("Unit.BindsTo", ())))
    return Unit(
        name=name,
        file=file,
        is_administrators=is_administrators and not file.is_symlink(),
        pid_file=_last(said, "Service.PIDFile"),
        needs=tuple(one.removesuffix(".service") for one in needs.split() if one.endswith(".service")),
        appends=tuple(dict.fromkeys(one.partition(":")[2] for one in outputs if one.startswith("append:/"))),
    )


def _settings(content: str) -> dict[str, list[str]]:
    """Read `Section.Key` with every value it has; an empty one clears those before it, as systemd does."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in content.replace("\\\n", " ").splitlines():
        text = line.strip()
        if not text or text.startswith(("#", ";")):
            continue
        if text.startswith("["):
            section = text.strip("[]")
            continue
        key, _, value = text.partition("=")
        values = found.setdefault(f"{section}.{key.strip()}", [])
        values.append(value.strip()) if value.strip() else values.clear()
    return found


def _last(said: dict[str, list[str]], key: str) -> str:
    values = said.get(key)
    return values[-1] if values else ""
