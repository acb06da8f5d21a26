"""Where the server is and what opens it: as typed, from the environment, or from the data folder of this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.kit.procfs import is_alive, process_stat
from grace.settings import load_client_settings

DEFAULT: Final = "http://127.0.0.1:8000"
_SERVER_FILE: Final = "server.json"
_TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Address:
    """An address and the token for it; the token is empty where none is known."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running server leaves in its data folder."""

    address: str
    pid: int


def find_address(server: str, token: str, data: Path | None = None) -> Address:
    """Return the address and token to use. A kept token goes to the running server of its own data folder only."""
    settings = load_client_settings(data_folder=data)
    local = announced(settings.data_folder)
    url = server or settings.server or (local.address if local else DEFAULT)
    kept = kept_token(settings.data_folder) if local and url.rstrip("/") == local.address else ""
    told = settings.token.get_secret_value() if settings.token else ""
    return Address(url, token or told or kept)


def announced(data: Path) -> Announcement | None:
    """Return what the server of this data folder announced, as long as its process lives.

    What a killed server left behind is not believed: by now somebody else may listen on its port.
    """
    try:
        said = json.loads((data / _SERVER_FILE).read_bytes())
        announcement, started_at = Announcement(str(said["address"]), int(said["pid"])), int(said["started_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return announcement if is_alive(announcement.pid, started_at) else None


def announce(data: Path, address: str) -> None:
    """Leave the address of this process's server in the data folder, readable by its owner alone."""
    own = process_stat(os.getpid())
    said = {"address": address, "pid": os.getpid(), "started_at": own.started_at if own else 0}
    _write_private(data / _SERVER_FILE, json.dumps(said) + "\n")


def retract(data: Path) -> None:
    """Take back what this process announced; another server's word stays."""
    said = announced(data)
    if said is not None and said.pid == os.getpid():
        (data / _SERVER_FILE).unlink(missing_ok=True)


def keep_token(data: Path, secret: str) -> Path:
    """Keep a token for later commands on this machine, readable by its owner alone."""
    path = data / _TOKEN_FILE
    _write_private(path, secret + "\n")
    return path


def kept_token(data: Path) -> str:
    """Return the kept token, or an empty text."""
    try:
        return (data / _TOKEN_FILE).read_text("utf-8").strip()
    except OSError:
        return ""


def _write_private(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
