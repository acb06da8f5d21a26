"""What `orders.yaml` may say, and how it is read."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]

CHANGEABLE: Final = frozenset({"max_concurrency", "queue_timeout_ms", "busy_timeout_ms", "report_timeout_ms"})


class SettingsError(Exception):
    """The configuration cannot be used; the message says where and why."""


class Settings(BaseModel):
    """One reading of the configuration; paths are absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    port_file: Path
    pid_file: Path
    database: Path
    spool: Path | None = None
    max_concurrency: int = Field(default=64, ge=1, le=256)
    queue_timeout_ms: Milliseconds = 100
    busy_timeout_ms: Milliseconds = 500
    report_timeout_ms: Milliseconds = 600


def read_settings(path: Path) -> Settings:
    """Read and check the file, or raise SettingsError."""
    try:
        said = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        message = f"{path} cannot be read: {error}"
        raise SettingsError(message) from error
    if not isinstance(said, dict):
        message = f"{path} must hold settings such as `max_concurrency: 64`"
        raise SettingsError(message)
    try:
        return Settings.model_validate(_with_paths(said, path.parent.resolve()))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        message = f"{path} is not a valid configuration: {faults}"
        raise SettingsError(message) from error


def needing_a_restart(old: Settings, new: Settings) -> list[str]:
    """Name the settings that differ and are only read at start."""
    return [
        name for name in Settings.model_fields if name not in CHANGEABLE and getattr(old, name) != getattr(new, name)
    ]


def _with_paths(said: dict[object, object], folder: Path) -> dict[object, object]:
    paths = {"port_file", "pid_file", "database", "spool"}
    return {key: folder / value if key in paths and isinstance(value, str) else value for key, value in said.items()}
