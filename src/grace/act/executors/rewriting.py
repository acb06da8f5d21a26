"""How a file gets another content or mode: predicted untouched, recorded before it happens, then done at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, Field, JsonValue

from grace.act.executors import Applied, Journal
from grace.act.executors.workplace import Parameters, Workplace, failed, led, own, refusal, refused, unknown
from grace.kit.cuts import cut
from grace.kit.digests import digest_of_bytes
from grace.kit.filesystem import writing
from grace.kit.filesystem.changes import recorded
from grace.kit.filesystem.entries import Entry, Tree, tree_digest
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path, opened_folder
from grace.kit.filesystem.scan import scan, settled_scan
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.use import is_written_elsewhere
from grace.kit.filesystem.writing import Attributes
from grace.kit.text_diff import text_diff
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.noun import Noun
from grace.model.quantities import AbsolutePath
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "file"
LARGEST_BYTES: Final = 8 * 1024 * 1024
_NEW_FILE_MODE: Final = 0o644
_ACCESS_LIST: Final = "system.posix_acl_access"
_OCTAL: Final = r"^0?[0-7]{3,4}$"

Mode: TypeAlias = Annotated[str, Field(pattern=_OCTAL, description="Permissions in octal digits, as text: `0644`.")]


class FileParameters(Parameters):
    """What every action on one file takes."""

    path: AbsolutePath


class FileChanged(Noun):
    """What a file action reports: the path, whether it changed anything, and the digest of the content now."""

    path: str
    changed: bool
    digest: str | None
    mode: str | None


class EditRefusedError(Exception):
    """The edit cannot be made of this content, and why."""

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        self.why = why
        super().__init__(f"{where}: {why}")


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes and permissions; what an edit takes and returns."""

    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    entry: Entry | None
    content: Content | None

    @property
    def tree(self) -> Tree:
        return {} if self.entry is None else {"": self.entry}


Edit: TypeAlias = Callable[[BaseModel, Content | None], Content]
"""From the parameters and what is there to what shall be there; pure; raises EditRefusedError."""


class Rewriting:
    """An action that gives one file another content or mode."""

    def __init__(self, workplace: Workplace, spec: ActionSpec, edit: Edit) -> None:
        self._workplace = workplace
        self._spec = spec
        self._edit = edit
        self._scope = Scope(most_bytes=LARGEST_BYTES, most_objects=1, forbidden=workplace.forbidden)

    @property
    def spec(self) -> ActionSpec:
        return self._spec

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the real file that this path means, through symlinks."""
        try:
            return (Target(kind=KIND, host=self._workplace.host, id=str(_path(parameters))),)
        except NotExactError as error:
            return refusal(error)

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the path leads now."""
        return led((own(parameters, FileParameters).path,))

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return path, state before and after, and a redacted diff; the same as long as the file stays the same."""
        try:
            found = self._find(parameters)
            wanted = self._edit(parameters, found.content)
            _require_readable(found.path, wanted.mode)
        except NotExactError as error:
            return refusal(error)
        except EditRefusedError as error:
            return Refusal(rule="edit", why=str(error), next="Look at the file as it is now.", is_of_now=True)
        before = b"" if found.content is None else found.content.data
        diff = text_diff(before, wanted.data, ("before", "after"), self._workplace.redact)
        return {"path": str(found.path), "before": _told(found.content), "after": _told(wanted), "diff": diff}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Write what the edit makes of the file; a file that is as wanted already is left alone."""
        try:
            found = self._find(parameters)
            wanted = self._edit(parameters, found.content)
            if found.content == wanted:
                return _done(found.path, wanted, changed=False)
            return self._write(found, wanted, journal)
        except NotExactError as error:
            return refused(error)
        except EditRefusedError as error:
            return Outcome(state=StepState.REFUSED, why=str(error))
        except OSError as error:
            return failed(f"nothing was written: {error.strerror} ({error.filename})")

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Compare what is there with what the handle says was there and would be; without a handle nothing was done."""
        if handle is None:
            return Applied.NO
        try:
            path = _path(parameters)
            return applied_by(handle, tree_digest(settled_scan(path, self._scope)))
        except NotExactError:
            return Applied.UNKNOWN

    def _find(self, parameters: BaseModel) -> _Found:
        path = _path(parameters)
        require_file(path)
        data = bytearray()
        entry = scan(path, self._scope, data.extend).get("")
        return _Found(path, entry, None if entry is None else Content(bytes(data), entry.mode))

    def _write(self, found: _Found, wanted: Content, journal: Journal) -> Outcome:
        _require_readable(found.path, wanted.mode)
        if found.entry is not None and is_written_elsewhere(found.path):
            why = f"{found.path} is being written by another process, whose writes would be lost."
            raise NotExactError(Rule.CHANGING, why, "Let that process finish first.")
        if found.content is not None and found.content.data == wanted.data:
            return self._change_mode(found, wanted, journal)
        name = self._spec.name
        with opened_folder(found.path.parent) as folder:
            made = writing.write_scratch(folder, found.path.name, [wanted.data], _attributes(found.entry, wanted.mode))
            cut(f"executor.{name}.prepared")
            with _cleared_on_failure(folder, found.path.name):
                journal.note(handle_of(found.tree, {"": made}))
                cut(f"executor.{name}.before_rename")
                self._require_unchanged(found)
                writing.move_over(folder, found.path.name)
            cut(f"executor.{name}.after_rename")
            return _settled(folder, _done(found.path, wanted, changed=True))

    def _change_mode(self, found: _Found, wanted: Content, journal: Journal) -> Outcome:
        assert found.entry is not None, "only a file that is there has a mode"  # noqa: S101
        if any(name == _ACCESS_LIST for name, _ in found.entry.xattrs):
            why = f"{found.path} has an access control list, which a change of mode would change too."
            raise NotExactError(Rule.SPECIAL, why, "Change the list with setfacl.")
        name = self._spec.name
        with opened_folder(found.path.parent) as folder:
            journal.note(handle_of(found.tree, {"": replace(found.entry, mode=wanted.mode)}))
            cut(f"executor.{name}.before_mode")
            self._require_unchanged(found)
            change_mode(folder, found.path.name, wanted.mode)
            cut(f"executor.{name}.after_mode")
            return _done(found.path, wanted, changed=True)

    def _require_unchanged(self, found: _Found) -> None:
        """Look once more, just before the write: somebody may have changed the file while the handle was recorded."""
        if scan(found.path, self._scope) != found.tree:
            why = f"{found.path} was changed by somebody else while it was about to be written."
            raise NotExactError(Rule.CHANGING, why, "Plan again with the file as it is now.")


def handle_of(before: Tree, after: Tree) -> dict[str, JsonValue]:
    """Return what is noted before a write: both digests, and the change for the three-way check."""
    change: dict[str, Entry | None] = {path: after.get(path) for path in after} or {"": None}
    return {"before": tree_digest(before), "after": tree_digest(after), "changeset": recorded(change)}


def applied_by(handle: Mapping[str, JsonValue], digest: str) -> Applied:
    """Tell from the digest now whether the noted write took effect."""
    if digest == handle.get("after"):
        return Applied.YES
    return Applied.NO if digest == handle.get("before") else Applied.UNKNOWN


def require_file(path: Path) -> None:
    """Refuse a folder, device, socket or pipe; nothing there is fine."""
    try:
        kind = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
        raise NotExactError(Rule.SPECIAL, f"{path} is no file.", "Name one file.")


def _require_readable(path: Path, mode: int) -> None:
    """Refuse a mode under which this process could not read the file again: nobody could say what it is then."""
    if os.geteuid() != 0 and not mode & stat.S_IRUSR:
        why = f"With mode {mode:04o} GRACE could not read {path} again, and not give it back."
        raise NotExactError(Rule.UNREADABLE, why, "Leave the owner the right to read.")


def change_mode(folder: int, name: str, mode: int) -> None:
    """Set the permissions of a file that is no symlink, durably."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def permissions(mode: str | None, found: Content | None) -> int:
    """Return the wanted permissions, else those that are there, else those of a new file."""
    if mode is not None:
        return int(mode, 8)
    return _NEW_FILE_MODE if found is None else found.mode


def _path(parameters: BaseModel) -> Path:
    return canonical_path(own(parameters, FileParameters).path, follow=True)


def _attributes(entry: Entry | None, mode: int) -> Attributes:
    if entry is None:
        return Attributes(mode)
    return Attributes(mode, entry.uid, entry.gid, None, entry.xattrs)


def _told(content: Content | None) -> JsonValue:
    if content is None:
        return None
    return {"digest": digest_of_bytes(content.data), "bytes": len(content.data), "mode": f"{content.mode:04o}"}


def _done(path: Path, content: Content, *, changed: bool) -> Outcome:
    reported = FileChanged(
        path=str(path), changed=changed, digest=digest_of_bytes(content.data), mode=f"{content.mode:04o}"
    )
    return Outcome(state=StepState.DONE, output=reported.to_json())


def _settled(folder: int, done: Outcome) -> Outcome:
    """Make the new name durable; where that fails nobody can tell what a power cut would leave."""
    try:
        os.fsync(folder)
    except OSError as error:
        return unknown(f"written, but not made durable: {error.strerror}")
    return done


@contextmanager
def _cleared_on_failure(folder: int, name: str) -> Generator[None]:
    try:
        yield
    except BaseException:
        writing.clear_scratch(folder, name)
        raise
