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
from pathlib import Path
from typing import Final

BOOK: Final = "children.json"
MARK: Final = "DEMO_FOLDER"
KEEP_FILES: Final = "files"
GUARD: Final = "guard"

_BEAT_S: Final = 0.02
_PATIENT_BEATS: Final = 200
"""How long a process may take to end when it is asked to, and again as long when it is made to."""
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
        remove(folder)


def end_all(folder: Path) -> None:
    """End every process of the demo: asked first, made to after a while."""
    groups, asked = _recorded(folder), set[int]()
    for beat in range(2 * _PATIENT_BEATS):
        alive = _alive(folder, groups)
        if not alive:
            return
        insists = beat >= _PATIENT_BEATS
        for pid in alive if insists else alive - asked:
            _send(pid, signal.SIGKILL if insists else signal.SIGTERM)
            _send(pid, signal.SIGCONT)
        asked |= alive
        _wait()


def remove(folder: Path) -> None:
    """Remove the folder, again if a process that ends by itself has still written in it."""
    for _ in range(_PATIENT_BEATS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        _wait()


def _wait() -> None:
    """Let one beat pass; being asked to end meanwhile changes nothing, for that is what is going on."""
    signal.sigtimedwait({signal.SIGTERM}, _BEAT_S)


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
    for name in os.listdir("/proc"):  # noqa: PTH208 - the names are all that is needed
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
