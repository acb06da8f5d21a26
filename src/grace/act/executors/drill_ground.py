"""The ground of a drill: what GRACE made, and nothing else, may be touched by a plan for the environment `drill`.

Folders were made by GRACE when the settings say so. A process counts as made by GRACE when GRACE started it or when it
works in such a folder. A port counts when such a process listens on it. A command is a program that GRACE ships or one
of a few plain tools, and all that it is given lies in such a folder: a program that lies there may have been written by
the plan itself. What cannot be told is outside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from grace.kit.filesystem.paths import is_within
from grace.kit.procfs import PROC, descriptors_of, is_alive, process_stat, tcp_listeners
from grace.model.plan import Plan
from grace.model.service import DRILL_ENVIRONMENT
from grace.model.target import Target
from grace.model.warrant import Refusal

RULE: Final = "drill"
_PATHS: Final = frozenset({"file", "sqlite"})
_TOOLS: Final = frozenset({"true", "false", "sleep", "rm", "touch", "mkdir", "cp", "mv"})
_TOOL_FOLDERS: Final = (Path("/usr/bin"), Path("/bin"))
_PYTHON_FLAGS: Final = frozenset({"-I", "-S", "-B", "-u"})
_NOWHERE: Final = "a drill stays with what GRACE made for it"


@dataclass(frozen=True, slots=True)
class DrillGround:
    """Says of plans and deeds for the environment `drill` what in them lies outside; of others nothing."""

    folders: tuple[Path, ...] = ()
    """Folders that GRACE made."""
    programs: tuple[Path, ...] = ()
    """Folders of programs that GRACE ships: they may be run, and not written."""

    def refuses_plan(self, plan: Plan) -> Refusal | None:
        """Return why a plan would leave the drill, or None. Looks at processes and ports as they are now."""
        for step in plan.steps:
            undo = () if step.undo is None else ((step.undo.uses, step.undo.parameters),)
            for uses, parameters in ((step.uses, step.parameters), *undo):
                refusal = self.refuses_deed(plan, uses, parameters, step.targets)
                if refusal is not None:
                    return refusal
        return None

    def refuses_deed(
        self, plan: Plan, uses: str, parameters: Mapping[str, JsonValue], targets: Sequence[Target]
    ) -> Refusal | None:
        """Return why one deed of a plan would leave the drill, or None."""
        if plan.environment != DRILL_ENVIRONMENT:
            return None
        why = next(self._outside(uses, parameters, targets), None)
        if why is None:
            return None
        return Refusal(rule=RULE, why=f"{uses}: {why}; {_NOWHERE}", next="Try it out on a service of its own.")

    def _outside(self, uses: str, parameters: Mapping[str, JsonValue], targets: Sequence[Target]) -> Iterator[str]:
        for target in targets:
            match target.kind:
                case kind if kind in _PATHS:
                    if not self._holds(target.id) or not self._holds_place(target.id):
                        yield f"{target.id} lies in no folder that GRACE made"
                case "process":
                    yield from self._outside_process(target.id)
                case "http":
                    yield from self._outside_port(target.id)
                case "command":
                    pass
                case kind:
                    yield f"nobody can tell whether {kind} {target.id} was made by GRACE"
        match uses.partition(".")[0]:
            case "command":
                yield from self._outside_command(parameters)
            case "file" | "sqlite" | "process" | "http":
                pass
            case kind:
                yield f"nobody can tell what an action of the kind {kind} touches"

    def _outside_process(self, identity: str) -> Iterator[str]:
        pid, _, started_at = identity.partition("@")
        is_ours = pid.isdigit() and started_at.isdigit() and is_alive(int(pid), int(started_at))
        if not is_ours or not self._made(int(pid)):
            yield f"process {identity} was neither started by GRACE nor does it work in a folder that GRACE made"

    def _outside_port(self, identity: str) -> Iterator[str]:
        host, _, port = identity.partition("/")[0].rpartition(":")
        if not _is_loopback(host.strip("[]")):
            yield f"{host} is not this machine alone"
            return
        listeners = tcp_listeners(int(port)).pids
        if not listeners or not all(map(self._made, listeners)):
            yield f"no process that GRACE made listens on port {port}"

    def _outside_command(self, parameters: Mapping[str, JsonValue]) -> Iterator[str]:
        argv = [str(word) for word in _list(parameters.get("argv"))]
        cwd = str(parameters.get("cwd") or "/")
        if not self._holds(cwd):
            yield f"the command works in {cwd}; name `cwd`, a folder that GRACE made"
        rest = self._arguments(argv)
        if rest is None:
            yield f"{argv[0] if argv else 'nothing'} is neither a plain tool nor a program that GRACE ships"
            return
        for word in rest:
            if not word.startswith("-") and not self._holds(os.path.join(cwd, word)):  # noqa: PTH118 - text in and out
                yield f"the argument {word} leads out of the folders that GRACE made"
            if word.startswith("-") and "/" in word:
                yield f"nobody can tell where the option {word} leads"
        for name in parameters:
            if name in {"environment", "variables"} and parameters[name]:
                yield f"the command is given `{name}`, which may lead anywhere"

    def _arguments(self, argv: Sequence[str]) -> Sequence[str] | None:
        """Return what the program is given; None where nobody can tell what the program does."""
        if not argv:
            return None
        if argv[0] in _TOOLS or any(Path(argv[0]) == folder / name for folder in _TOOL_FOLDERS for name in _TOOLS):
            return argv[1:]
        if self._is_program(argv[0]):
            return argv[1:]
        if Path(argv[0]) == Path(sys.executable):
            script = next((index for index, word in enumerate(argv) if index and word not in _PYTHON_FLAGS), None)
            if script is not None and self._is_program(argv[script]):
                return argv[script + 1 :]
        return None

    def _is_program(self, written: str) -> bool:
        real = Path(os.path.realpath(written))
        return Path(written).is_absolute() and any(is_within(real, folder) for folder in self._real(self.programs))

    def _made(self, pid: int) -> bool:
        return _descends(pid, os.getpid()) or any(self._holds(place) for place in _places(pid))

    def _holds(self, place: str) -> bool:
        real = Path(os.path.realpath(place))
        return any(is_within(real, folder) for folder in self._real(self.folders))

    def _holds_place(self, place: str) -> bool:
        """Tell the same of what stands at a place itself, which may be a symlink."""
        written = Path(place)
        real = Path(os.path.realpath(written.parent)) / written.name
        return any(is_within(real, folder) for folder in self._real(self.folders))

    def _real(self, folders: Sequence[Path]) -> Iterator[Path]:
        return (Path(os.path.realpath(folder)) for folder in folders)


NOTHING_MADE: Final = DrillGround()
"""The ground of a house that made nothing: every plan of a drill leaves it, but for what GRACE started."""


def _places(pid: int) -> Iterator[str]:
    """Yield where a process works: its folder and its open files; nothing where it may not be looked into."""
    try:
        yield str((PROC / str(pid) / "cwd").readlink())
        # A file that is closed meanwhile says nothing about the others.
        yield from (place for _, place in descriptors_of(pid) if place.startswith("/"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return


def _descends(pid: int, ancestor: int) -> bool:
    seen: set[int] = set()
    while pid > 1 and pid not in seen:
        seen.add(pid)
        stat = process_stat(pid)
        pid = 0 if stat is None else stat.parent
        if pid == ancestor:
            return True
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else ()
