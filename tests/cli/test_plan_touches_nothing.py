"""`grace plan` changes nothing outside GRACE's record: the file system and the sockets are watched while it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow

DEEDS: Final = frozenset(
    {
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.utime",
        "os.setxattr",
        "os.removexattr",
        "os.kill",
        "os.fork",
        "os.exec",
        "os.posix_spawn",
        "signal.pthread_kill",
        "subprocess.Popen",
        "socket.bind",
        "socket.sendto",
        "socket.connect",
        "sqlite3.connect",
    }
)
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_seen: list[tuple[str, tuple[object, ...]]] = []
_watching = [False]


def _note(event: str, args: tuple[object, ...]) -> None:
    if _watching[0] and (event in DEEDS or (event == "open" and isinstance(args[2], int) and args[2] & WRITING)):
        _seen.append((event, (_named(args[0]), *args[1:]) if event == "open" else args))


def _named(opened: object) -> object:
    """Return which file a descriptor is of: a file may be opened first and written through a second opening."""
    return str(Path(f"/proc/self/fd/{opened}").readlink()) if isinstance(opened, int) else opened


sys.addaudithook(_note)


@contextmanager
def _watched() -> Generator[list[tuple[str, tuple[object, ...]]]]:
    """Note every deed of this process, all its threads included."""
    _seen.clear()
    _watching[0] = True
    try:
        yield _seen
    finally:
        _watching[0] = False


def _state(folder: Path) -> dict[str, tuple[int, ...]]:
    found = {str(path): path.lstat() for path in (folder, *folder.rglob("*"))}
    return {
        name: (one.st_ino, one.st_mode, one.st_uid, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
        for name, one in found.items()
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


def test_a_plan_writes_and_contacts_nothing_but_the_record(grace: Grace, world: World) -> None:
    incident, _ = world.untouched("alone")
    before = _state(world.folder)
    with _watched() as seen:
        said = grace("plan", incident, "--server", world.address, "--token", world.tokens["ann"])
    assert said.code == Exit.DONE
    assert "widen: file.set_value" in said.out
    assert _state(world.folder) == before
    assert [deed for deed in seen if not _is_of_the_record(deed, world)] == []


def test_the_watch_sees_what_a_heal_does(grace: Grace, world: World) -> None:
    incident, _ = world.untouched("alone")
    before = _state(world.folder)
    with _watched() as seen:
        said = grace("heal", incident, "--server", world.address, "--token", world.tokens["ann"])
    assert said.code == Exit.DONE
    assert _state(world.folder) != before
    assert [deed for deed in seen if not _is_of_the_record(deed, world)] != []


def _is_of_the_record(deed: tuple[str, tuple[object, ...]], world: World) -> bool:
    event, args = deed
    if event == "socket.connect":
        return args[1] == (urlsplit(world.address).hostname, urlsplit(world.address).port)  # the command's own visit
    return str(args[0]).startswith(str(world.data))
