"""Files: write, replace a text, set a value, change the mode, remove. Exact: the `files` provider gives them back.

Every write goes to a new file beside the old one, gets owner, mode and attributes, is made durable, and takes the name
in one rename. Before that the handle is durable: what was there, and what will be. So a crash leaves no doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, Field

from grace.act.executors import Action
from grace.act.executors.editing import CannotEditError, Scalar, set_value
from grace.act.executors.removing import FileRemove
from grace.act.executors.rewriting import (
    Content,
    Edit,
    EditRefusedError,
    FileChanged,
    FileParameters,
    Mode,
    Rewriting,
    permissions,
)
from grace.act.executors.workplace import Workplace, own
from grace.model.catalogue import ActionSpec
from grace.model.plan import Reversibility

_LONGEST_CONTENT: Final = 1024 * 1024
_LONGEST_TEXT: Final = 64 * 1024


class FileWriteParameters(FileParameters):
    """What `file.write` takes."""

    content: str = Field(max_length=_LONGEST_CONTENT)
    mode: Mode | None = Field(default=None, description="Left as it is when not given; a new file gets 0644.")


class FileReplaceTextParameters(FileParameters):
    """What `file.replace_text` takes."""

    old: str = Field(min_length=1, max_length=_LONGEST_TEXT)
    new: str = Field(max_length=_LONGEST_TEXT)
    count: int = Field(default=1, ge=1, le=10_000, description="How often `old` must occur: exactly so often.")


class FileSetValueParameters(FileParameters):
    """What `file.set_value` takes."""

    key: str = Field(min_length=1, max_length=500, description="Dotted: `database.pool.size`, `servers.0.port`.")
    value: Scalar


class FileChmodParameters(FileParameters):
    """What `file.chmod` takes."""

    mode: Mode


def _write(parameters: BaseModel, found: Content | None) -> Content:
    wanted = own(parameters, FileWriteParameters)
    return Content(wanted.content.encode(), permissions(wanted.mode, found))


def _replace_text(parameters: BaseModel, found: Content | None) -> Content:
    wanted = own(parameters, FileReplaceTextParameters)
    there = _existing(wanted, found)
    old, new = wanted.old.encode(), wanted.new.encode()
    occurs = there.data.count(old)
    if occurs != wanted.count:
        raise EditRefusedError(wanted.path, f"the old text occurs {occurs} times, not {wanted.count}")
    return replace(there, data=there.data.replace(old, new))


def _set_value(parameters: BaseModel, found: Content | None) -> Content:
    wanted = own(parameters, FileSetValueParameters)
    there = _existing(wanted, found)
    try:
        text = set_value(there.data.decode(), wanted.path, wanted.key, wanted.value)
    except (CannotEditError, UnicodeDecodeError) as error:
        raise EditRefusedError(wanted.path, str(error)) from error
    return replace(there, data=text.encode())


def _chmod(parameters: BaseModel, found: Content | None) -> Content:
    wanted = own(parameters, FileChmodParameters)
    return replace(_existing(wanted, found), mode=int(wanted.mode, 8))


def _existing(parameters: FileParameters, found: Content | None) -> Content:
    if found is None:
        raise EditRefusedError(parameters.path, "there is no such file")
    return found


def _spec(name: str, summary: str, parameters: type[FileParameters], blast_radius: str) -> ActionSpec:
    return ActionSpec(
        name=name,
        summary=summary,
        parameters=parameters,
        outputs=FileChanged,
        reversibility=Reversibility.EXACT,
        provider="files",
        blast_radius=blast_radius,
    )


_REWRITING: Final[tuple[tuple[ActionSpec, Edit], ...]] = (
    (_spec("file.write", "Write a whole file", FileWriteParameters, "the content and mode of one file"), _write),
    (
        _spec("file.replace_text", "Replace a text in a file", FileReplaceTextParameters, "the content of one file"),
        _replace_text,
    ),
    (
        _spec(
            "file.set_value", "Set one value in a configuration file", FileSetValueParameters, "one value of one file"
        ),
        _set_value,
    ),
    (_spec("file.chmod", "Change the permissions of a file", FileChmodParameters, "the mode of one file"), _chmod),
)


class FileExecutor:
    """The actions on files."""

    def __init__(self, workplace: Workplace) -> None:
        rewriting = {spec.name: Rewriting(workplace, spec, edit) for spec, edit in _REWRITING}
        self._actions: dict[str, Action] = {**rewriting, FileRemove.spec.name: FileRemove(workplace)}

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions


def build(workplace: Workplace) -> FileExecutor:
    """Make the executor; the entry point."""
    return FileExecutor(workplace)
