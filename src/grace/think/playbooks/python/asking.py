"""Call a playbook in two processes that differ in what a pure function cannot see; what differs then is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Final, cast

from pydantic import JsonValue

import grace
from grace.authoring import calling
from grace.kit.documents import Path
from grace.think.playbooks.evaluation import equal
from grace.think.playbooks.python.source import Source

PATIENCE_S: Final = 30.0
"""The limit of CPU time ends a hang; this one ends a process that does not even get to run."""
_HASH_SEEDS: Final = ("1", "2")
_ROOT: Final = FilePath(grace.__file__).parents[1]
_SCRIPT: Final = FilePath(calling.__file__)

Written = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Told:
    """What both processes answered."""

    answer: Written

    def line_of(self, path: Path) -> int:
        """Return the line of the nearest part around a path that has one; 0 for none."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)

    @property
    def lines(self) -> Mapping[Path, int]:
        """Return the line of each part that has one."""
        lines = cast("list[list[JsonValue]]", self.answer.get("lines", []))
        return {tuple(cast("list[str | int]", at)): cast("int", line) for at, line in lines}


@dataclass(frozen=True, slots=True)
class Untold:
    """Why there is no answer that can be used: by which rule, at which line (0: not known), and what to do."""

    rule: str
    why: str
    line: int = 0
    remedy: str = ""


def ask(source: Source, values: Written | None) -> Told | Untold:
    """Return what the file declares (`values` None), or what its function drafts for these values."""
    request = {
        "text": source.text,
        "modules": list(source.modules),
        "function": source.function.name,
        "values": None if values is None else dict(values),
    }
    text = json.dumps(request).encode()
    with ThreadPoolExecutor(len(_HASH_SEEDS)) as pool:
        first, second = pool.map(partial(_call, text), _HASH_SEEDS)
    if isinstance(first, Untold):
        return first
    if isinstance(second, Untold):
        return second
    return _compared(Told(first), Told(second))


def _call(request: bytes, hash_seed: str) -> Written | Untold:
    command = [sys.executable, "-S", "-P", "-s", "-B", str(_SCRIPT), str(_ROOT)]
    try:
        done = subprocess.run(
            command,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": hash_seed, "TZ": "UTC"},
            cwd="/",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _hung(f"no answer came within {PATIENCE_S:g} s")
    except OSError as error:
        return Untold("draft-ended", f"the process for playbooks cannot start: {error.strerror}")
    if done.returncode != 0 or not done.stdout:
        return _ended(done.returncode)
    return _read(cast("Written", json.loads(done.stdout)))


def _read(answer: Written) -> Written | Untold:
    line = cast("int", answer.get("line", 0))
    match answer:
        case {"raised": str() as said}:
            return Untold("draft-raised", said, line, "Mend the playbook; `grace playbook test` calls it.")
        case {"hung": str() as said}:
            return _hung(said, line)
        case {"unusable": str() as said}:
            return Untold("draft-flaw", said, line, "docs/writing-a-playbook.md says what a draft may hold.")
        case _:
            return answer


def _hung(why: str, line: int = 0) -> Untold:
    return Untold("draft-hung", why, line, "Bound the loop: a plan must not wait.")


def _ended(code: int) -> Untold:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _hung(f"it took more than {calling.CPU_LIMIT_S} s")
    return Untold("draft-ended", f"the process in which it ran ended with {code}", 0, "It may need too much memory.")


def _compared(first: Told, second: Told) -> Told | Untold:
    at = _difference(first.answer, second.answer, ())
    if at is None:
        return first
    path, one, other = at
    where = ".".join(str(step) for step in path[1:]) or "its answer"
    why = f"it is not a pure function: for the same values {where} was {one!r:.60}, then {other!r:.60}"
    remedy = "Sort what comes from a set; use no address, clock or chance."
    return Untold("draft-differs", why, first.line_of(path[1:]), remedy)


def _difference(one: JsonValue | Written, other: JsonValue | Written, path: Path) -> tuple[Path, object, object] | None:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        found = (_difference(one[key], other[key], (*path, key)) for key in one)
        return next((at for at in found if at is not None), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (_difference(a, b, (*path, index)) for index, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((at for at in found if at is not None), None)
    return None if equal(cast("JsonValue", one), cast("JsonValue", other)) else (path, one, other)
