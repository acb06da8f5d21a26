"""What the parameters of a command come to on this machine: which program, where, with which variables, on what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from grace.act.executors.workplace import Parameters, Workplace, refusal
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.paths import NotExactError, Rule, is_within
from grace.kit.filesystem.ways import Way, way_to
from grace.model.quantities import AbsolutePath, Duration
from grace.model.target import Target
from grace.model.warrant import Refusal

KIND: Final = "command"
FILE_KIND: Final = "file"
SEARCHED: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where a program without a path is looked for: never in a path that GRACE happened to be started with."""
_ENVIRONMENT: Final = {"PATH": ":".join(SEARCHED), "LANG": "C.UTF-8", "HOME": "/nonexistent"}
_STEERS_LOADING: Final = re.compile(
    r"(LD_|DYLD_|GRACE_|PYTHON|PERL|RUBY|NODE_|JAVA_|JDK_|GIT_|BASH_|SHELLOPTS|GCONV_PATH|(ENV|IFS|PS4)$).*"
)
_LARGEST_OUTPUT: Final = 16 * 1024 * 1024
_LONGEST_ARGUMENT: Final = 32 * 1024


def _no_null(written: str) -> str:
    if "\0" in written:
        message = "an argument cannot contain a null byte"
        raise ValueError(message)
    return written


def _steers_nothing(written: str) -> str:
    if _STEERS_LOADING.match(written):
        message = f"{written} decides what code a program loads: a rule that pins argv would no longer mean anything"
        raise ValueError(message)
    return written


Argument: TypeAlias = Annotated[str, Field(max_length=_LONGEST_ARGUMENT), AfterValidator(_no_null)]
VariableName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_steers_nothing)]
ExitCode: TypeAlias = Annotated[int, Field(ge=0, le=255)]


class CommandParameters(Parameters):
    """What `command.run` takes."""

    argv: tuple[Argument, ...] = Field(
        min_length=1, max_length=256, description="The program, by absolute path or by name, and its arguments."
    )
    cwd: AbsolutePath = "/"
    target: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_.-]*(:[A-Za-z0-9_.@/-]+)?$",
        max_length=200,
        description="What it acts on, by a name of its own: `service:orders`. Without it, the program's real path.",
    )
    writes: tuple[AbsolutePath, ...] = Field(
        default=(), max_length=16, description="Files that it writes: locked like those of `file.` actions."
    )
    unless_changed: str | None = Field(
        default=None,
        max_length=_LONGEST_ARGUMENT,
        description="The `wrote` of an earlier command: run only while the files in `writes` read as it left them.",
    )
    environment: tuple[VariableName, ...] = Field(
        default=(), max_length=64, description="Names of variables that it gets from GRACE's own environment."
    )
    variables: dict[VariableName, Argument] = Field(
        default_factory=dict, max_length=64, description="Variables with their values; no secrets."
    )
    timeout: Duration = Field(default=60.0, gt=0, le=3600)
    patience: Duration = Field(default=5.0, le=60, description="How long it may take to end when asked to.")
    expect_exit: tuple[ExitCode, ...] = Field(default=(0,), min_length=1, max_length=16)
    output_limit: int = Field(
        default=256 * 1024, ge=0, le=_LARGEST_OUTPUT, description="Bytes of each stream that are kept."
    )
    leaves_running: bool = Field(
        default=False, description="What it leaves running stays. Off: that is ended with the command."
    )


@dataclass(frozen=True, slots=True)
class Ready:
    """A command as it would be started here."""

    program: Path
    cwd: Path
    environment: Mapping[str, str]
    ways: tuple[Way, ...]
    """Where what it is said to write lies, and through which symlinks: the program follows them itself."""
    targets: tuple[Target, ...]


def prepare(wanted: CommandParameters, workplace: Workplace) -> Ready | Refusal:
    """Return what would be started, or why not; read-only."""
    program = _find_program(wanted.argv[0])
    if isinstance(program, Refusal):
        return program
    cwd = _real(wanted.cwd)
    if not cwd.is_dir():
        return Refusal(rule="command.cwd", why=f"{wanted.cwd} is no folder.", next="Name one that exists.")
    forbidden = [_real(folder) for folder in workplace.forbidden]
    named = next(_naming(forbidden, wanted, program, cwd), None)
    if named is not None:
        return Refusal(rule=Rule.CONTROL_PLANE, why=f"{named} is part of GRACE's own state.")
    missing = sorted(set(wanted.environment) - set(workplace.environment))
    if missing:
        why = f"GRACE itself has no variable {', '.join(missing)} to pass on."
        return Refusal(rule="command.environment", why=why, next="Set it where GRACE is started, or leave it out.")
    passed_on = {name: workplace.environment[name] for name in wanted.environment}
    try:
        ways = ways_of(wanted)
        for link in (link for way in ways for link in way.links):
            require_outside(link, workplace.forbidden)
    except NotExactError as error:
        return refusal(error)
    targets = _targets(wanted, program, ways, workplace.host)
    return Ready(program, cwd, {**_ENVIRONMENT, **passed_on, **wanted.variables}, ways, targets)


def ways_of(wanted: CommandParameters) -> tuple[Way, ...]:
    """Return where the paths in `writes` lead, and where arguments do that name the same files by other symlinks.

    Raise NotExactError for a path in `writes` that leads nowhere.
    """
    named = tuple(map(way_to, wanted.writes))
    folder = _real(wanted.cwd)
    words = (part for word in wanted.argv[1:] for part in (word, word.partition("=")[2]) if named and part)
    spelled = filter(None, (_way_if_any(str(folder / word)) for word in words))
    known = {way.named for way in named}
    others = (way for way in spelled if way.links and any(is_within(way.real, one.real) for one in named))
    return (*named, *{way.named: way for way in others if way.named not in known}.values())


def _way_if_any(written: str) -> Way | None:
    """Return where a word of a command leads; None for one that is no path."""
    try:
        return way_to(written)
    except NotExactError:
        return None


def _targets(wanted: CommandParameters, program: Path, ways: Iterable[Way], host: str) -> tuple[Target, ...]:
    """Return what it acts on: of each named path the place that it means, and every symlink on the way there."""
    places = dict.fromkeys(str(place) for way in ways for place in way.places)
    return (
        Target(kind=KIND, host=host, id=wanted.target or str(_real(program))),
        *(Target(kind=FILE_KIND, host=host, id=place) for place in places),
    )


def _naming(forbidden: list[Path], wanted: CommandParameters, program: Path, cwd: Path) -> Iterator[str]:
    """Yield what plainly names GRACE's own state. A program can still find it: that is for the policy to weigh."""
    for path in (_real(program), cwd, *map(_real, wanted.writes)):
        if any(is_within(path, folder) for folder in forbidden):
            yield str(path)
    for path in map(_real, wanted.writes):
        if any(is_within(folder, path) for folder in forbidden):
            yield str(path)
    spelled = [re.compile(re.escape(str(folder)) + r"(?![\w.-])") for folder in forbidden]
    for word in (*wanted.argv[1:], *wanted.variables.values()):
        paths = [_real(cwd / part) for part in (word, word.partition("=")[2]) if part]
        is_path = any(is_within(path, folder) for path in paths for folder in forbidden)
        if is_path or any(pattern.search(word) for pattern in spelled):
            yield word


def _find_program(written: str) -> Path | Refusal:
    """Return the program by its absolute path, or by its name in the usual folders."""
    path = Path(written)
    if path.is_absolute():
        found = path if _is_program(path) else None
    elif "/" in written or not written:
        return Refusal(rule="command.program", why=f"{written!r} is no absolute path.", next="Write it from the root.")
    else:
        found = next((place for place in (Path(folder) / written for folder in SEARCHED) if _is_program(place)), None)
    if found is None:
        why = f"There is no program {written} on this machine."
        return Refusal(rule="command.program", why=why, next="Give the absolute path of an executable file.")
    return found


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
