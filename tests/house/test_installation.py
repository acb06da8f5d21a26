"""What is installed, locked and shipped."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grace.shipped import SHIPPED_NAMES, ShippedFolderMissingError, shipped_folder
from tests.house.source import ROOT, hold_to

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
COPYLEFT: Final = re.compile(r"\b(A|L)?GPL|General Public", re.IGNORECASE)

# Licences that restrict whoever ships the program; each exception says why it is one.
COPYLEFT_PARTS: Final[Mapping[str, str]] = {
    "psycopg": "LGPL-3.0: imported unmodified and replaceable, which is all that the licence asks; DBOS requires it",
    "psycopg-binary": "LGPL-3.0: as psycopg",
}

SILENT_PARTS: Final[Mapping[str, str]] = {
    "cedarpy": "Apache-2.0 by the LICENSE file in its distribution; its metadata leave the field out",
}


def test_no_part_that_runs_binds_its_user_by_a_copyleft_licence() -> None:
    found = (name for name, part in _runtime_parts().items() if COPYLEFT.search(_licence(part)))
    hold_to("Run-time dependencies carry permissive licences", found, COPYLEFT_PARTS)


def test_every_part_that_runs_states_its_licence() -> None:
    silent = (name for name, part in _runtime_parts().items() if not _licence(part))
    hold_to("A dependency states its licence", silent, SILENT_PARTS)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_holds_what_the_project_asks_for(lock: str) -> None:
    locked = dict(_locked(ROOT / lock))
    asked = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    missing = [
        str(each)
        for each in asked
        if each.name != "grace-sdk" and locked.get(canonicalize_name(each.name), "none") not in each.specifier
    ]
    assert missing == [], f"{lock} is behind pyproject.toml; run 'make lock'"


def test_both_locks_pin_the_same_versions() -> None:
    everything = dict(_locked(ROOT / "requirements-dev.lock"))
    differing = {name: version for name, version in _locked(ROOT / "requirements.lock") if everything[name] != version}
    assert differing == {}


def test_what_is_installed_is_what_is_locked() -> None:
    differing = [
        f"{name}: locked {version}, installed {installed.version}"
        for name, version in _locked(ROOT / "requirements.lock")
        if (installed := _installed(name)) is not None and installed.version != version
    ]
    assert differing == [], "run 'make setup'"


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_what_ships_is_found_in_the_source_tree(name: Any) -> None:
    assert shipped_folder(name) == ROOT / name


def test_a_folder_that_does_not_ship_is_named_in_the_error() -> None:
    with pytest.raises(ShippedFolderMissingError, match="no-such-folder"):
        shipped_folder("no-such-folder")  # pyright: ignore[reportArgumentType] # the mistake is the point


@pytest.mark.slow
def test_the_wheel_brings_everything_that_ships(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    assert {f"grace/{path}" for path in _committed("src/grace")} <= packed
    for name in SHIPPED_NAMES:
        assert {f"grace/_shipped/{name}/{path}" for path in _committed(name)} <= packed


def _committed(folder: str) -> Iterator[str]:
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.split("\0"):
        if line and (ROOT / line).is_file():
            yield Path(line).relative_to(folder).as_posix()


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE):
        yield canonicalize_name(match[1]), match[2]


def _runtime_parts() -> dict[str, Distribution]:
    """Return what grace-heal installs, found by following its requirements, itself and the SDK included."""
    found: dict[str, Distribution] = {}
    waiting = ["grace-heal"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        part = distribution(name)
        found[name] = part
        for requirement in map(Requirement, part.requires or ()):
            extras = requirement.extras
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
                waiting.extend(_behind_extras(requirement.name, extras))
    return found


def _behind_extras(name: str, extras: set[str]) -> Iterator[str]:
    for requirement in map(Requirement, distribution(name).requires or ()):
        if requirement.marker and any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement.name


def _licence(part: Distribution) -> str:
    stated = part.metadata.get_all("License-Expression") or []
    classified = [each for each in part.metadata.get_all("Classifier") or [] if each.startswith("License ::")]
    # Older packages put a whole licence text into the field; its first line names it.
    written = [each.strip().partition("\n")[0] for each in part.metadata.get_all("License") or []]
    return "; ".join([*stated, *classified] or written)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
