"""Deeds whose way back is another deed: taken back exactly, or told as not; changes of others are spared.

Two hundred random mutations and two hundred foreign edits for `command.run` and for `http.request`, against real
programs and a real server that keeps documents with entity tags. The seed is in every message.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import pytest

from grace.act.healing.outputs import resolve
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.model.execution import Outcome, StepState
from tests.act.workbench import Bench
from tests.conformance.hands import RULES, found_actions
from tests.conformance.seeds import in_parts


@pytest.fixture(scope="module")
def bench(ground: Path) -> Iterator[Bench]:
    made = Bench(ground, rules=RULES)
    yield made
    made.close()


def done(bench: Bench, uses: str, parameters: dict[str, Any], after: Outcome | None = None) -> Outcome:
    """Do what the gate does: outputs in place, parameters read as the action declares them, then applied."""
    outputs = {} if after is None else {"deed": after.output}
    action = found_actions(bench)[uses]
    given = action.spec.parameters.model_validate(resolve(parameters, outputs))
    return action.apply(given, bench.journal())


@dataclass(frozen=True)
class Pair:
    """A deed and what takes it back; `is_honest` tells whether the way back does what it says."""

    deed: dict[str, Any]
    undo: dict[str, Any]
    is_honest: bool = True


# ---- commands ----

NAMES: Final = ("plain", "with space", "ünïcode", "new\nline", "-dash", "$(touch pwned)", "quo'te\"s")


def shell(script: str, *arguments: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", *arguments]


def command_pair(world: Path, chance: random.Random) -> Pair:
    """Return a random change by a program, and a program that takes it back, or fails to."""
    file, other, kept = (str(world / name) for name in chance.sample(NAMES, 3))
    Path(file).write_bytes(chance.randbytes(chance.randint(0, 400)))
    Path(file).chmod(chance.choice([0o600, 0o644, 0o755]))
    number = chance.randint(0, 9999)
    # `cp -p` and `mv` give back content, mode and time: what the file's exact state is made of.
    deed, undo = chance.choice(
        [
            (["mv", file, other], ["mv", "-n", other, file]),
            (["cp", "-p", file, other], ["rm", "-f", other]),
            (shell('cp -p "$1" "$2" && echo $3 >> "$1"', file, kept, str(number)), ["mv", kept, file]),
            (shell('cp -p "$1" "$2" && : > "$1"', file, kept), ["mv", kept, file]),
            (["ln", "-s", file, other], ["rm", other]),
            (["mkdir", other], ["rmdir", other]),
            (["chmod", "0711", file], ["chmod", f"{Path(file).stat().st_mode & 0o7777:04o}", file]),
        ]
    )
    broken = chance.choice(
        [None, None, None, None, ["false"], shell("kill -9 $$"), ["sleep", "30"], [str(world / "no such program")]]
    )
    writes = {"writes": [file, other]}
    timeout = {"timeout": "100ms", "patience": "0s"} if broken == ["sleep", "30"] else {}
    back = {"argv": broken or undo, **writes, "unless_changed": "${{ do.deed.wrote }}", **timeout}
    return Pair({"argv": deed, **writes}, back, is_honest=broken is None)


def files_of(world: Path) -> dict[str, object]:
    """Return every object of the world exactly, but for the time of its own folder."""
    return {path: entry for path, entry in scan(world, Scope(most_objects=100)).items() if path}


def others_change(world: Path, parameters: dict[str, Any], chance: random.Random) -> None:
    """Do to something that the command wrote what somebody else might do."""
    path = Path(chance.choice(cast("list[str]", parameters["writes"])))
    match chance.randint(0, 3):
        case 0 if path.is_file():
            path.write_bytes(b"theirs" + chance.randbytes(4))
        case 1 if path.is_file() and not path.is_symlink():
            path.chmod(0o604)
        case 2 if path.is_dir():
            (path / "theirs").write_bytes(b"theirs")
        case _ if not os.path.lexists(path):
            path.write_bytes(b"theirs")
        case _ if path.is_dir():
            (path / "theirs").mkdir()
        case _:
            path.unlink()
            path.write_bytes(b"theirs" + chance.randbytes(3))


@pytest.fixture
def world(bench: Bench) -> Iterator[Callable[[], Path]]:
    """Return a function that makes an empty world."""
    place = bench.folder / "commands"

    def fresh() -> Path:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "beside").write_bytes(b"of others")
        return place

    yield fresh
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("seeds", in_parts(few=6, part=40))
def test_a_command_spares_the_changes_of_others_and_is_taken_back_exactly_or_said_not_to_be(
    bench: Bench, world: Callable[[], Path], seeds: range
) -> None:
    for seed in seeds:
        place, chance = world(), random.Random(f"command {seed}")
        pair = command_pair(place, chance)
        before = files_of(place)
        did = done(bench, "command.run", pair.deed)
        assert did.state is StepState.DONE, (seed, pair, did)
        with changed_for_a_while(place):
            others_change(place, pair.deed, chance)
            theirs = files_of(place)
            back = done(bench, "command.run", pair.undo, did)
            assert back.state is StepState.REFUSED, (seed, pair, back)
            assert files_of(place) == theirs, (seed, pair)
        back = done(bench, "command.run", pair.undo, did)
        assert (back.state is StepState.DONE) == pair.is_honest, (seed, pair, back)
        assert not pair.is_honest or files_of(place) == before, (seed, pair)


@contextmanager
def changed_for_a_while(place: Path) -> Generator[None]:
    """Put everything back as it was, to the nanosecond: what others did meanwhile has never been."""
    aside = place.with_name("aside")
    shutil.copytree(place, aside, symlinks=True)
    yield
    shutil.rmtree(place)
    aside.rename(place)


# ---- requests ----


@dataclass
class Documents:
    """A server's documents, by path."""

    url: str = ""
    kept: dict[str, bytes] = field(default_factory=dict[str, bytes])
    fails: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tag(self, path: str) -> str:
        return f'"{hashlib.sha256(self.kept.get(path, b"absent")).hexdigest()[:12]}"'


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    made = Documents()

    class Handler(BaseHTTPRequestHandler):
        def _change(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with made.lock:
                self._answer(self._changed(body))

        do_PUT = do_DELETE = do_PATCH = _change  # noqa: N815 - the names that http.server looks for

        def _changed(self, body: bytes) -> int:
            wanted = self.headers.get("if-match")
            if made.fails:
                return 503
            if wanted is not None and wanted != made.tag(self.path):
                return 412
            if self.command == "DELETE":
                made.kept.pop(self.path, None)
            else:
                made.kept[self.path] = body
            return 200

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("etag", made.tag(self.path))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield made
        server.shutdown()
        thread.join()


def request_pair(documents: Documents, chance: random.Random) -> tuple[Pair, str]:
    """Return a random request that changes a document, and one that takes it back, or fails to."""
    path = f"/flags/{chance.randint(0, 3)}"
    documents.fails = False
    documents.kept = {
        f"/flags/{n}": json.dumps({"n": chance.randint(0, 99)}).encode() for n in chance.sample(range(4), 2)
    }
    was = documents.kept.get(path)
    deed: dict[str, Any] = {"url": documents.url + path, "method": chance.choice(["PUT", "PATCH", "DELETE"])}
    if deed["method"] != "DELETE":
        deed["body"] = chance.choice([{"n": -1}, [1, 2], f"text {chance.random()}", 7, None])
    undo: dict[str, Any] = {
        "url": documents.url + path,
        "headers": {"If-Match": "${{ do.deed.etag }}"},
        **({"method": "DELETE"} if was is None else {"method": "PUT", "body": was.decode()}),
    }
    return Pair(deed, undo, is_honest=chance.random() < 0.7), path


@pytest.mark.parametrize("seeds", in_parts(few=6, part=40))
def test_a_request_spares_the_changes_of_others_and_is_taken_back_exactly_or_said_not_to_be(
    bench: Bench, documents: Documents, seeds: range
) -> None:
    for seed in seeds:
        chance = random.Random(f"request {seed}")
        pair, path = request_pair(documents, chance)
        before = dict(documents.kept)
        did = done(bench, "http.request", pair.deed)
        assert did.state is StepState.DONE, (seed, pair, did)
        ours = dict(documents.kept)
        documents.kept[path] = b"theirs" + chance.randbytes(4)
        documents.kept["/flags/beside"] = b"of others"
        theirs = dict(documents.kept)
        back = done(bench, "http.request", pair.undo, did)
        assert (back.state, documents.kept) == (StepState.FAILED, theirs), (seed, pair, back)
        assert "412" in back.why
        documents.kept, documents.fails = ours, not pair.is_honest
        back = done(bench, "http.request", pair.undo, did)
        assert (back.state is StepState.DONE) == pair.is_honest, (seed, pair, back)
        assert not pair.is_honest or documents.kept == before, (seed, pair)
