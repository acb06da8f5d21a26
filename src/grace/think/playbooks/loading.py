"""Load playbooks: read, lint, digest, and hold every version to the content that it had when it was first seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from grace.kit.digests import digest_of
from grace.kit.documents import Document, Flaw
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.think.playbooks import Pins
from grace.think.playbooks.format import Playbook
from grace.think.playbooks.lint import lint_document

SUFFIXES: Final = (".yaml", ".yml")
CASE_SUFFIXES: Final = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class LoadedPlaybook:
    """A playbook without flaws, the digest of its content and the file it came from."""

    playbook: Playbook
    digest: str
    file: str

    @property
    def label(self) -> str:
        return f"{self.playbook.name} {self.playbook.version}"


@dataclass(frozen=True, slots=True)
class Library:
    """The playbooks of some folders, newest version of each name, and the flaws of those that were refused."""

    playbooks: tuple[LoadedPlaybook, ...]
    flaws: tuple[Flaw, ...] = ()

    def named(self, name: str) -> LoadedPlaybook | None:
        """Return the newest version of this name."""
        return next((one for one in self.playbooks if one.playbook.name == name), None)


def load_playbook(
    path: Path, catalogue: Catalogue, causes: Collection[str] | None = None
) -> LoadedPlaybook | tuple[Flaw, ...]:
    """Return the playbook in a file, or its flaws."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        return (Flaw(str(path), 1, 1, "unreadable", message, "Check the path and its permissions."),)
    document = read_yaml(content, str(path))
    return (document,) if isinstance(document, Flaw) else load_document(document, catalogue, causes)


def load_document(
    document: Document, catalogue: Catalogue, causes: Collection[str] | None = None
) -> LoadedPlaybook | tuple[Flaw, ...]:
    """Return the playbook that a document is, or its flaws."""
    playbook = lint_document(document, catalogue, causes)
    if not isinstance(playbook, Playbook):
        return playbook
    # The digest is of the value, not of the bytes: a comment or another quoting changes nothing that is done.
    return LoadedPlaybook(playbook, digest_of(document.value), document.file)


def load_playbooks(folders: Iterable[Path], catalogue: Catalogue, causes: Collection[str] | None = None) -> Library:
    """Return all playbooks below the folders; a flaw in one hides no other."""
    loaded: list[LoadedPlaybook] = []
    flaws: list[Flaw] = []
    for path in playbook_files(folders):
        one = load_playbook(path, catalogue, causes)
        if isinstance(one, LoadedPlaybook):
            loaded.append(one)
        else:
            flaws += one
    flaws += _repeated(loaded)
    return Library(_newest(loaded), tuple(sorted(flaws)))


def playbook_files(paths: Iterable[Path]) -> list[Path]:
    """Return the playbook files below folders, and files named themselves; tests of playbooks are none."""
    return [path for path in _files(paths) if not path.name.endswith(CASE_SUFFIXES)]


def case_files(paths: Iterable[Path]) -> list[Path]:
    """Return the tests of playbooks below folders, and files named themselves."""
    return [path for path in _files(paths) if path.name.endswith(CASE_SUFFIXES)]


def check_pins(playbooks: Iterable[LoadedPlaybook], pins: Pins) -> tuple[Flaw, ...]:
    """Pin each version to its content; return a flaw for each whose content is not what its version had before."""
    flaws: list[Flaw] = []
    for one in playbooks:
        standing = pins.pin(one.playbook.name, one.playbook.version, one.digest)
        if standing != one.digest:
            message = f"{one.label} has other content than when it was first loaded"
            remedy = f"Raise `version` above {one.playbook.version}, or restore the content of {standing}."
            flaws.append(Flaw(one.file, 1, 1, "changed-content", message, remedy))
    return tuple(flaws)


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += [path] if not path.is_dir() else [one for one in path.rglob("*") if one.suffix in SUFFIXES]
    return sorted(set(found))


def _repeated(loaded: Sequence[LoadedPlaybook]) -> list[Flaw]:
    flaws: list[Flaw] = []
    for _, group in groupby(sorted(loaded, key=_identity), key=lambda one: _identity(one)[:2]):
        first, *others = group
        for one in others:
            message = f"{one.label} is also in {first.file}"
            flaws.append(Flaw(one.file, 1, 1, "repeated-version", message, "Rename one, or raise its version."))
    return flaws


def _newest(loaded: Sequence[LoadedPlaybook]) -> tuple[LoadedPlaybook, ...]:
    newest: dict[str, LoadedPlaybook] = {}
    for one in sorted(loaded, key=lambda one: (one.playbook.ordered_version, one.file)):
        newest.setdefault(one.playbook.name, one)
        if one.playbook.ordered_version > newest[one.playbook.name].playbook.ordered_version:
            newest[one.playbook.name] = one
    return tuple(newest[name] for name in sorted(newest))


def _identity(one: LoadedPlaybook) -> tuple[str, tuple[int, ...], str]:
    return (one.playbook.name, one.playbook.ordered_version, one.file)
