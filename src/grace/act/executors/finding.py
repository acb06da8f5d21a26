"""Find actions written as functions: in modules that were installed, and in folders that the settings name.

An action is code that acts, so nothing is found by chance: a folder is read only when it is named, without those below.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from grace.authoring.action import ActionInvalidError, DeclaredAction
from grace.kit.attempt import Raised, attempt
from grace.kit.documents import Flaw

PACKAGE: Final = "grace_actions"
"""Under which name the files of a folder are imported; they do not see each other."""


class ActionsFlawedError(RuntimeError):
    """Actions that cannot be used stop the start; the text names each flaw with file and line."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("\n".join(str(flaw) for flaw in flaws))


def actions_in(folders: Iterable[Path], modules: Iterable[object], taken: Iterable[str]) -> tuple[DeclaredAction, ...]:
    """Return the actions of all files and modules; raise ActionsFlawedError naming every flaw.

    `taken` are the names that other executors have.
    """
    found: list[DeclaredAction] = []
    flaws: list[Flaw] = []
    for one in (*_files(folders, flaws), *modules):
        loaded = _load(one) if isinstance(one, Path) else one
        if isinstance(loaded, Flaw):
            flaws.append(loaded)
        else:
            found += _declared(loaded, flaws)
    flaws += _repeated(found, set(taken))
    if flaws:
        raise ActionsFlawedError(sorted(set(flaws)))
    return tuple(found)


def _files(folders: Iterable[Path], flaws: list[Flaw]) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            remedy = "Correct GRACE_ACTION_FOLDERS, or make the folder."
            flaws.append(Flaw(str(folder), 1, 1, "unreadable", "there is no such folder of actions", remedy))
        else:
            files += sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    return files


def _load(file: Path) -> ModuleType | Flaw:
    name = f"{PACKAGE}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file has a loader"  # noqa: S101
    assert spec.loader is not None, "a .py file has a loader"  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses and annotations look their module up by name.
    executed = attempt(lambda: spec.loader and spec.loader.exec_module(module))
    return _not_imported(file, executed.error) if isinstance(executed, Raised) else module


def _not_imported(file: Path, error: Exception) -> Flaw:
    if isinstance(error, ActionInvalidError):
        return _flaw_of(error)
    if isinstance(error, SyntaxError):
        return Flaw(str(file), error.lineno or 1, error.offset or 1, "syntax", f"this is no Python: {error.msg}")
    lines = [frame.lineno or 1 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    message = f"the file cannot be imported: {type(error).__name__}: {error}"
    return Flaw(
        str(file), lines[-1] if lines else 1, 1, "not-importable", message, "Mend it, or install what it needs."
    )


def _declared(module: object, flaws: list[Flaw]) -> list[DeclaredAction]:
    where = str(getattr(module, "__file__", module))
    everything: list[object] = [module] if isinstance(module, DeclaredAction) else list(vars(module).values())
    found: dict[int, DeclaredAction] = {id(one): one for one in everything if isinstance(one, DeclaredAction)}
    if not found:
        remedy = "Put @action(...) over a function, or move the file out of the folder."
        flaws.append(Flaw(where, 1, 1, "no-action", "the file declares no action", remedy))
    usable: list[DeclaredAction] = []
    for one in found.values():
        try:
            _ = one.probe
            usable.append(one)
        except ActionInvalidError as error:
            flaws.append(_flaw_of(error))
    return usable


def _repeated(found: Sequence[DeclaredAction], taken: set[str]) -> list[Flaw]:
    flaws: list[Flaw] = []
    for one in found:
        name = one.spec.name
        if name in taken:
            error = ActionInvalidError(one.function, f"There is another action {name}.", "Rename one.")
            flaws.append(_flaw_of(error, "repeated-action"))
        taken.add(name)
    return flaws


def _flaw_of(error: ActionInvalidError, rule: str = "action") -> Flaw:
    return Flaw(error.file, error.line, 1, rule, error.message, error.remedy)
