"""Settings: the only reader of the environment. Each is documented in docs/settings.md, and a test keeps it so."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grace.kit import cuts
from grace.kit.cut_names import entry_type_of, is_fault_point, nearest_fault_point
from grace.kit.wording import flaw_in_words
from grace.model.quantities import Duration, duration_s
from grace.model.service import Mode

PREFIX: Final = "GRACE_"
OTHERS_SETTINGS: Final = frozenset({"GRACE_DSN", "GRACE_TESTS_REQUIRE_ALL"})
"""Names under our prefix that the SDK and the test suite read, not the server."""
_LONGEST: Final[Mapping[str, str]] = MappingProxyType({"witness_interval": "1d", "observe_every": "1d"})
"""What must come round soon enough to be of use; any other duration may be as long as a duration is."""
_CONFIG: Final = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)


class SettingsInvalidError(ValueError):
    """Settings that cannot be used: each problem names the variable and what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join((*problems, "All settings: docs/settings.md")))


class StartRefusedError(RuntimeError):
    """Starting like this would be unsafe; the text says why and what to do."""


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class CutPoint(NamedTuple):
    """Where the process ends itself: a named fault point and at which pass."""

    name: str
    nth: int


def _paths(written: object) -> object:
    """Split `a:b` as PATH is split; leave what is not text to the next validator."""
    return tuple(part for part in written.split(os.pathsep) if part) if isinstance(written, str) else written


def _cut_points(written: object) -> object:
    return tuple(_cut_point(part) for part in written.split(",") if part) if isinstance(written, str) else written


def _cut_point(written: str) -> CutPoint:
    name, _, nth = written.strip().partition(":")
    if not name or (nth and not (nth.isascii() and nth.isdigit() and int(nth) > 0)):
        message = f"not a fault point: {written!r}; write it like executor.file.write.before_rename:2"
        raise ValueError(message)
    if not is_fault_point(name):
        near = nearest_fault_point(name)
        message = f"there is no fault point {name!r}" + (f"; did you mean {near}?" if near else "")
        raise ValueError(message)
    return CutPoint(name, int(nth or 1))


def _absolute(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Refuse folders that would be others after a change of the working folder: plans name absolute paths alone."""
    for folder in folders:
        if not folder.is_absolute():
            message = f"{str(folder)!r} is no absolute path"
            raise ValueError(message)
    return folders


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)]
CutPoints = Annotated[tuple[CutPoint, ...], NoDecode, BeforeValidator(_cut_points)]


class Settings(BaseSettings):
    """What the server is told. Durations are written like `30m`; folders like PATH, with colons."""

    model_config = _CONFIG

    data_folder: Path = Path("grace-data")
    services_file: Path = Path("grace.yaml")
    webhooks_file: Path = Path("webhooks.yaml")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    playbook_folders: Paths = ()
    action_folders: Paths = ()
    knowledge_folders: Paths = ()
    policy_folders: Paths = ()
    drill_folders: Annotated[Paths, AfterValidator(_absolute)] = ()
    drill_folder: Path | None = None
    default_mode: Mode = Mode.OBSERVE
    witness_file: Path | None = None
    witness_interval: Duration = 1.0
    approval_lifetime: Duration = 1800.0
    session_lifetime: Duration = 43_200.0
    observe_every: Duration = 15.0
    observe_for: Duration = 86_400.0
    run_concurrency: int = Field(default=4, ge=1, le=64)
    body_limit_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    allow_process_control_as_root: bool = False
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    cut_points: CutPoints = ()

    @field_validator("witness_interval", "approval_lifetime", "session_lifetime", "observe_every", "observe_for")
    @classmethod
    def _takes_time(cls, seconds: float, info: ValidationInfo) -> float:
        if seconds <= 0:
            message = "must be longer than nothing; write it like 30m"
            raise ValueError(message)
        longest = _LONGEST.get(info.field_name or "")
        if longest is not None and seconds > duration_s(longest):
            message = f"is too long; {longest} at most"
            raise ValueError(message)
        return seconds

    @property
    def witness(self) -> Path:
        """Return the file that keeps checkpoints outside the database."""
        return self.witness_file or self.data_folder / "ledger.checkpoints"

    @property
    def drill_ground(self) -> Path:
        """Return the folder in which GRACE makes the folder of each drill: beside its own, never inside it."""
        beside = self.data_folder.resolve()
        return (self.drill_folder or beside.with_name(f"{beside.name}-drills")).resolve()

    @property
    def drill_grounds(self) -> tuple[Path, ...]:
        """Return every folder in which plans for the environment `drill` may write."""
        return (*self.drill_folders, self.drill_ground)

    @property
    def approval_timedelta(self) -> timedelta:
        return timedelta(seconds=self.approval_lifetime)

    @property
    def is_public(self) -> bool:
        """Tell whether others than this machine can reach the address; a name other than localhost counts as public."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"


class ClientSettings(BaseSettings):
    """What the command line is told: where the server is and with which token to speak."""

    model_config = _CONFIG

    server: str | None = None
    """None: the server that a data folder announces, else the one on this machine."""
    token: SecretStr | None = None
    data_folder: Path = Path("grace-data")


def load_settings(**given: object) -> Settings:
    """Read the server's settings, `given` ones first; raise SettingsInvalidError naming every problem."""
    _refuse_unknown(os.environ)
    try:
        return Settings.model_validate(_told(given))
    except ValidationError as error:
        raise SettingsInvalidError(_problems(error)) from None


def load_client_settings(**given: object) -> ClientSettings:
    """Read the command line's settings, `given` ones first; raise SettingsInvalidError naming every problem."""
    try:
        return ClientSettings.model_validate(_told(given))
    except ValidationError as error:
        raise SettingsInvalidError(_problems(error)) from None


def _told(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def arm_cut_points(settings: Settings, deed: Callable[[], None] = cuts.kill_self) -> None:
    """Arm the fault points that were asked for: for crash tests, off by default."""
    for point in settings.cut_points:
        cuts.arm(point.name, point.nth, deed)


def refuse_unknown_entries(settings: Settings, event_types: Collection[str]) -> None:
    """Raise SettingsInvalidError where a fault point is at an entry of a type that there is not."""
    for point in settings.cut_points:
        named = entry_type_of(point.name)
        if named is not None and named not in event_types:
            near = difflib.get_close_matches(named, sorted(event_types), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingsInvalidError((f"GRACE_CUT_POINTS: there is no event type {named!r}{meant}",))


def refuse_unsafe_start(settings: Settings, usable_tokens: int) -> None:
    """Raise StartRefusedError where anybody could reach a server that nobody can log in to."""
    if settings.is_public and usable_tokens == 0:
        message = (
            f"GRACE does not listen on {settings.host}, which others can reach, while no token exists. "
            "Make one first: grace token create NAME --role admin; or listen on 127.0.0.1."
        )
        raise StartRefusedError(message)


def refuse_missing_services(settings: Settings) -> None:
    """Raise StartRefusedError where a services file was named that is not there: nothing would be watched, silently."""
    file = settings.services_file
    if "services_file" in settings.model_fields_set and not file.exists():
        message = f"There is no services file {file}, and it was named. Write it (docs/services.md), or name another."
        raise StartRefusedError(message)


def command_environment() -> Mapping[str, str]:
    """Return the variables that commands may be given by name; GRACE's own are never passed on."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}


def secret_named(reference: str) -> str | None:
    """Resolve `env:NAME` or `file:/path`; None when it names nothing that can be read."""
    kind, _, name = reference.partition(":")
    match kind:
        case "env":
            return os.environ.get(name)
        case "file":
            return _first_line(Path(name))
        case _:
            return None


def _first_line(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in (*Settings.model_fields, *ClientSettings.model_fields)}
    strange = sorted(
        name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known | OTHERS_SETTINGS
    )
    if strange:
        raise SettingsInvalidError(tuple(_did_you_mean(name, known) for name in strange))


def _did_you_mean(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.upper(), sorted(known), n=1)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _problems(error: ValidationError) -> tuple[str, ...]:
    return tuple(
        f"{PREFIX}{'.'.join(str(part) for part in problem['loc'][:1]).upper()}: {flaw_in_words(problem)}"
        for problem in error.errors(include_url=False, include_context=False)
    )
