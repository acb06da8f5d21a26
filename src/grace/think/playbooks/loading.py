"""Load playbooks: read, lint, digest, and hold every version to the content that it had when it was first seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

from grace.kit.digests import digest_of, digest_of_bytes
from grace.kit.documents import Document, Flaw
from grace.kit.filesystem.plain import read_plain
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.think.playbooks import Pins
from grace.think.playbooks.format import Heading, Language, Playbook
from grace.think.playbooks.lint import lint_document
from grace.think.playbooks.python.reading import PythonPlaybook, read_python

PYTHON_SUFFIX: Final = ".py"
SUFFIXES: Final = (".yaml", ".yml", PYTHON_SUFFIX)
NO_PLAYBOOKS: Final = frozenset({"__init__.py"})
"""What makes a folder a package that can be installed."""
_REMEMBERED: Final = 64
"""Of how many files a process remembers what they say."""
CASE_SUFFIXES: Final = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class LoadedPlaybook:
    """A playbook without flaws, the digest of its content, and the file it came from with its text as it was read."""

    playbook: Heading
    """Of a YAML file all of it, a `Playbook`."""
    digest: str
    file: str
    text: str = ""
    python: PythonPlaybook | None = None
    """What drafts the rest, where the file is Python."""

    @property
    def label(self) -> str:
        return f"{self.playbook.name} {self.playbook.version}"

    @property
    def language(self) -> Language:
        return Language.YAML if self.python is None else Language.PYTHON


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
        content = read_plain(path)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        return (Flaw(str(path), 1, 1, "unreadable", message, "Check the path and its permissions."),)
    if path.suffix == PYTHON_SUFFIX:
        return _load_python(content, str(path), catalogue, causes)
    document = _document(content, str(path))
    if isinstance(document, Flaw):
        return (document,)
    loaded = load_document(document, catalogue, causes)
    return replace(loaded, text=content.decode()) if isinstance(loaded, LoadedPlaybook) else loaded


@lru_cache(maxsize=_REMEMBERED)
def _document(content: bytes, file: str) -> Document | Flaw:
    """Return what a file of this content says; nobody changes it, so a second reading of the same costs nothing."""
    return read_yaml(content, file)


def load_document(
    document: Document, catalogue: Catalogue, causes: Collection[str] | None = None
) -> LoadedPlaybook | tuple[Flaw, ...]:
    """Return the playbook that a document is, or its flaws."""
    playbook = lint_document(document, catalogue, causes)
    if not isinstance(playbook, Playbook):
        return playbook
    # The digest is of the value, not of the bytes: a comment or another quoting changes nothing that is done.
    return LoadedPlaybook(playbook, digest_of(document.value), document.file)


def _load_python(
    content: bytes, file: str, catalogue: Catalogue, causes: Collection[str] | None
) -> LoadedPlaybook | tuple[Flaw, ...]:
    read = read_python(content, file, catalogue, causes)
    if not isinstance(read, PythonPlaybook):
        return read
    # Of Python nobody can say which change means nothing, so the digest is of the text to its last byte.
    return LoadedPlaybook(read.heading, digest_of_bytes(content), file, read.source.text, read)


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
        found += [path] if not path.is_dir() else [one for one in path.rglob("*") if _is_read(one)]
    return sorted(set(found))


def _is_read(file: Path) -> bool:
    return file.suffix in SUFFIXES and file.name not in NO_PLAYBOOKS


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
