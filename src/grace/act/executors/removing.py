"""How a file, symlink or folder goes: only one that nobody is using, in one rename, then for good."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, JsonValue

from grace.act.executors import Applied, Journal
from grace.act.executors.rewriting import KIND, FileChanged, FileParameters, applied_by, handle_of
from grace.act.executors.workplace import Workplace, failed, led, own, refusal, refused, unknown
from grace.kit.cuts import cut
from grace.kit.filesystem import writing
from grace.kit.filesystem.entries import NOTHING, Kind, Tree, tree_digest
from grace.kit.filesystem.fixed import require_removable
from grace.kit.filesystem.paths import NotExactError, Rule, canonical_path, from_text, opened_folder
from grace.kit.filesystem.scan import scan, settled_scan
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.use import uses_of
from grace.kit.procfs import process_stat
from grace.model.catalogue import ActionSpec
from grace.model.execution import Outcome, StepState
from grace.model.plan import Reversibility
from grace.model.reading import Unknown
from grace.model.target import Target
from grace.model.warrant import Refusal

_LOCK_FILES: Final = (".lock", ".lck", ".pid")
_LARGEST_PID_BYTES: Final = 64


class FileRemoveParameters(FileParameters):
    """What `file.remove` takes."""

    recursive: bool = Field(default=False, description="Also a folder that is not empty.")


class FileRemove:
    """`file.remove`: takes away what stands at a path; a symlink itself, never what it points to."""

    spec = ActionSpec(
        name="file.remove",
        summary="Remove a file, a symlink or a folder that no process is using",
        parameters=FileRemoveParameters,
        outputs=FileChanged,
        reversibility=Reversibility.EXACT,
        provider="files",
        blast_radius="one file or symlink, or one folder with all in it",
    )

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._scope = Scope(forbidden=workplace.forbidden)

    def targets(self, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the real path; of a symlink its own."""
        try:
            return (Target(kind=KIND, host=self._workplace.host, id=str(_path(parameters))),)
        except NotExactError as error:
            return refusal(error)

    def leads(self, parameters: BaseModel) -> Mapping[str, str | Unknown]:
        """Return where the path leads now."""
        return led((own(parameters, FileParameters).path,), follow=False)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what would go."""
        try:
            path = _path(parameters)
            found = self._find(path, own(parameters, FileRemoveParameters))
        except NotExactError as error:
            return refusal(error)
        root = found.get("")
        size = sum(entry.size for entry in found.values())
        before: JsonValue = None
        if root is not None:
            before = {"digest": tree_digest(found), "kind": root.kind.value, "objects": len(found), "bytes": size}
        return {"path": str(path), "before": before, "after": None}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        """Remove it; finish a removal that was interrupted; nothing there is as wanted."""
        try:
            path = _path(parameters)
            found = self._find(path, own(parameters, FileRemoveParameters))
            self._require_unused(path, found)
            return self._remove(path, found, journal)
        except NotExactError as error:
            return refused(error)
        except OSError as error:
            return failed(f"nothing was removed: {error.strerror} ({error.filename})")

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        """Tell `no` also while the removal is half done: then it is to be finished."""
        if handle is None:
            return Applied.NO
        try:
            path = _path(parameters)
            now = settled_scan(path, self._scope)
        except NotExactError:
            return Applied.UNKNOWN
        if not now and os.path.lexists(path.with_name(writing.scratch_name(path.name))):
            return Applied.NO
        return applied_by(handle, tree_digest(now))

    def _find(self, path: Path, parameters: FileRemoveParameters) -> Tree:
        found = scan(path, self._scope)
        if len(found) > 1 and not parameters.recursive:
            why = f"{path} is a folder that is not empty."
            raise NotExactError(Rule.TOO_MANY, why, "Say `recursive: true` if all in it is to go.")
        require_removable(path)
        return found

    def _require_unused(self, path: Path, found: Tree) -> None:
        files = [path / from_text(name) if name else path for name, entry in found.items() if entry.kind is Kind.FILE]
        for file in files:
            _require_no_live_owner(file)
        stats = [file.lstat() for file in files]
        for use in uses_of({(status.st_dev, status.st_ino) for status in stats}) if stats else ():
            raise NotExactError(Rule.IN_USE, f"{use}.", "End or reload that process first.")

    def _remove(self, path: Path, found: Tree, journal: Journal) -> Outcome:
        done = Outcome(
            state=StepState.DONE,
            output=FileChanged(path=str(path), changed=bool(found), digest=None, mode=None).to_json(),
        )
        with opened_folder(path.parent) as folder:
            if not found:
                return _finish(folder, path, done)
            journal.note(handle_of(found, NOTHING))
            cut("executor.file.remove.before_rename")
            if scan(path, self._scope) != found:
                why = f"{path} was changed by somebody else while it was about to be removed."
                raise NotExactError(Rule.CHANGING, why, "Plan again with what is there now.")
            writing.clear_scratch(folder, path.name)
            os.rename(path.name, writing.scratch_name(path.name), src_dir_fd=folder, dst_dir_fd=folder)
            cut("executor.file.remove.after_rename")
            return _finish(folder, path, done)


def _finish(folder: int, path: Path, done: Outcome) -> Outcome:
    try:
        os.fsync(folder)
        writing.clear_scratch(folder, path.name)
        cut("executor.file.remove.cleared")
        os.fsync(folder)
    except OSError as error:
        rest = path.with_name(writing.scratch_name(path.name))
        said = f"{path} is gone from its place, but not all of it can be deleted"
        return unknown(f"{said}: {error.strerror} ({error.filename}); the rest lies at {rest}")
    return done


def _require_no_live_owner(file: Path) -> None:
    """Refuse a lock or pid file that names a process which lives."""
    if file.suffix not in _LOCK_FILES or file.lstat().st_size > _LARGEST_PID_BYTES:
        return
    word = file.read_bytes().split()[:1]
    pid = int(word[0]) if word and word[0].isdigit() else 0
    owner = process_stat(pid) if pid else None
    if owner is not None and owner.is_alive:
        raise NotExactError(Rule.IN_USE, f"{file} belongs to process {pid}, which is alive.", "End that process first.")


def _path(parameters: BaseModel) -> Path:
    return canonical_path(own(parameters, FileParameters).path, follow=False)
