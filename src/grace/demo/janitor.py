"""Clean up after the demo, however it ends: run as a program of its own, which outlives the demo by a moment.

It makes the demo's folder and says its name. Once its standard input ends (the demo is done, or was killed) it ends
every process of the recorded groups and any other that carries the folder's name in its environment, then removes the
folder. The last line of its input may ask for something else: `files` to leave the folder, `guard` to do all this only
when it is asked to by SIGTERM. The standard library alone: it starts at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

BOOK: Final = "children.json"
MARK: Final = "DEMO_FOLDER"
KEEP_FILES: Final = "files"
GUARD: Final = "guard"

_PATIENCE_S: Final = 4.0
_BEAT_S: Final = 0.02
_STATE, _GROUP, _STARTED = 0, 2, 19
"""Fields of `/proc/PID/stat` after the name."""


def main() -> None:
    """Serve one demo."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    folder = Path(tempfile.mkdtemp(prefix="grace-demo-")).resolve()
    print(folder, flush=True)  # noqa: T201 - the demo reads it
    wish = sys.stdin.read().strip().rpartition("\n")[2]
    if wish == GUARD:
        signal.sigwait({signal.SIGTERM})
    end_all(folder)
    if wish != KEEP_FILES:
        shutil.rmtree(folder, ignore_errors=True)


def end_all(folder: Path) -> None:
    """End every process of the demo: asked first, made to after a while."""
    groups = _recorded(folder)
    give_up = time.monotonic() + 2 * _PATIENCE_S
    insist = time.monotonic() + _PATIENCE_S
    asked: set[int] = set()
    while (alive := _alive(folder, groups)) and time.monotonic() < give_up:
        late = time.monotonic() > insist
        for pid in alive if late else alive - asked:
            _send(pid, signal.SIGKILL if late else signal.SIGTERM)
            _send(pid, signal.SIGCONT)
        asked |= alive
        time.sleep(_BEAT_S)


def _recorded(folder: Path) -> dict[int, int]:
    """Return the process groups on record, with the start time of their leaders."""
    try:
        book = json.loads((folder / BOOK).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {child["pid"]: child["started_at"] for child in book}


def _alive(folder: Path, groups: dict[int, int]) -> set[int]:
    """Return the living processes of these groups, and all that were started for this folder."""
    mark = f"{MARK}={folder}".encode()
    found: set[int] = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        fields = _stat(name)
        if fields is None or fields[_STATE] in {"Z", "X"}:
            continue
        if _is_of(groups, int(fields[_GROUP])) or mark in _environment(name):
            found.add(int(name))
    return found


def _is_of(groups: dict[int, int], group: int) -> bool:
    """Tell whether a group is on record and its number was not given to another one since."""
    if group not in groups:
        return False
    leader = _stat(str(group))
    return leader is None or int(leader[_STARTED]) == groups[group]


def _environment(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _stat(pid: str) -> list[str] | None:
    try:
        text = Path("/proc", pid, "stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main()
