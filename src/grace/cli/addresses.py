"""Where the server is and what opens it: as typed, from the environment, or from the data folder of this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace_sdk.client import ApiProblem, Client, ServerUnreachable

from grace.settings import load_client_settings

DEFAULT: Final = "http://127.0.0.1:8000"
_SERVER_FILE: Final = "server.json"
_TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
_PRIVATE: Final = 0o600
_PATIENCE_S: Final = 2.0


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
    """Return the address and token to use. A kept token opens the server of its own data folder and no other."""
    settings = load_client_settings(data_folder=data)
    local = announced(settings.data_folder)
    own = local.address if local else DEFAULT
    url = server or settings.server or own
    kept = kept_token(settings.data_folder) if url.rstrip("/") == own else ""
    told = settings.token.get_secret_value() if settings.token else ""
    return Address(url, token or told or kept)


def announced(data: Path) -> Announcement | None:
    """Return what a server of this data folder announced, if it did and did not take it back."""
    try:
        said = json.loads((data / _SERVER_FILE).read_bytes())
        return Announcement(str(said["address"]), int(said["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(data: Path) -> Announcement | None:
    """Return the announced server if it answers; what a killed one left behind says nothing."""
    said = announced(data)
    if said is None:
        return None
    try:
        Client(said.address, timeout_s=_PATIENCE_S).get("/api/healthz")
    except (ServerUnreachable, ValueError):
        return None
    except ApiProblem:
        return said
    return said


def announce(data: Path, address: str) -> None:
    """Leave the address of this process's server in the data folder, readable by its owner alone."""
    _write_private(data / _SERVER_FILE, json.dumps({"address": address, "pid": os.getpid()}) + "\n")


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
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
