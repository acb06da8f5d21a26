"""What a pure function cannot need is refused before it runs; what slips through runs where nothing can be opened."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import grace
from grace.authoring import calling
from grace.authoring.purity import MODULES
from grace.think.playbooks.loading import LoadedPlaybook, load_playbook
from tests.think.playbooks.python.writing import LOWER_POOLS, drafting, flaws, plan
from tests.think.worlds import CATALOGUE


def test_the_playbook_of_the_tests_is_without_flaw(tmp_path: Path) -> None:
    assert flaws(tmp_path, LOWER_POOLS) == ()
    assert flaws(tmp_path, drafting()) == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('open("/etc/passwd")', "open is nothing that a pure function needs"),
        ('eval("1")', "eval is nothing"),
        ('exec("1")', "exec is nothing"),
        ('compile("1", "", "eval")', "compile is nothing"),
        ('__import__("os")', "__import__ leads out"),
        ("globals()", "globals is nothing"),
        ('getattr(find, "x")', "getattr is nothing"),
        ('vars(find)["x"]', "vars is nothing"),
        ("print(1)", "print is nothing"),
        ("input()", "input is nothing"),
        ("id(find)", "id is nothing"),
        ('hash("x")', "hash is nothing"),
        ("type(find)", "type is nothing"),
        ("breakpoint()", "breakpoint is nothing"),
        ("().__class__", ".__class__ is not the playbook's to use"),
        ("find._fields", "._fields is not the playbook's"),
        ("__builtins__", "__builtins__ leads out"),
        ('"{0.x}".format(find)', ".format is not allowed"),
        ("(i for i in ()).gi_frame", ".gi_frame is not allowed"),
        ("import os", "may not import os"),
        ("import sys, math", "may not import sys"),
        ("import random", "may not import random"),
        ("import time", "may not import time"),
        ("from datetime import *", "has no '*'"),
        ("from statistics import sys", "has no 'sys'"),
        ("from typing import get_type_hints", "has no 'get_type_hints'"),
        ("from functools import lru_cache", "has no 'lru_cache'"),
        ("from . import other", "may not import ."),
        ("import collections.abc", "names no part"),
        ("from grace.settings import load_settings", "may not import grace.settings"),
        ("incident.labels.now", ".now is not allowed: a playbook has no clock"),
        ("global seen\nseen = 1", "would remember something"),
        ("try: pass\nexcept: pass", "bare `except`"),
        ("match find:\n    case object(__class__=c): pass", ".__class__ is not"),
        ("match find:\n    case Draft(now=c): pass", ".now is not allowed"),
        ("class A(metaclass=B): pass", "no metaclass"),
        ("class A:\n    def __getattr__(self, n): pass", "__getattr__ is not a name"),
        ("async def later(): pass", "waits for nothing"),
    ],
)
def test_impure_syntax_is_refused_with_its_line(tmp_path: Path, body: str, said: str) -> None:
    found = flaws(tmp_path, drafting(body))

    assert {one.rule for one in found} == {"not-pure"}
    assert any(said in one.message for one in found), found
    assert all(6 <= one.line <= 9 and one.next for one in found)


def test_a_name_of_the_playbook_may_be_called_like_a_builtin(tmp_path: Path) -> None:
    assert flaws(tmp_path, drafting("id, type = 1, 2\nlines = [id for hash in (id, type)]")) == ()


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        ("@playbook(", "@other(", "no-playbook", 1),
        ("def heal(incident, find, service)", "async def heal(incident)", "signature", 5),
        ("(incident, find, service)", "(incident, find, clock)", "signature", 5),
        ("(incident, find, service)", "(incident, *find)", "signature", 5),
        ("(incident, find, service)", "(incident, **find)", "signature", 5),
        ("(incident, find, service)", "(incident, /)", "signature", 5),
        ("def heal", "@cause\ndef heal", "signature", 6),
        ("@playbook", "@playbook(when=1)\ndef other(): pass\n\n@playbook", "several-playbooks", 8),
        ("    return Draft(", "    return Draft((", "syntax", 8),
        ('cause("database_locked")', 'cause("database_loked")', "unknown-cause", 4),
        ('cause("database_locked")', 'cause("unknown")', "unknown-cause", 4),
        ('when=cause("database_locked")', 'version="1", when=cause("database_locked")', "wrong-value", 4),
        ('when=cause("database_locked")', 'name="A B", when=cause("database_locked")', "wrong-value", 4),
        ('when=cause("database_locked")', 'priority="first", when=cause("database_locked")', "wrong-value", 4),
        ('when=cause("database_locked")', 'wen=cause("database_locked")', "draft-raised", 4),
        ('"process.lock_holder"', '"process.lock_holdr"', "unknown-probe", 4),
        ('path="/srv/orders/orders.db")])', "path=5)])", "wrong-type", 4),
        ('path="/srv/orders/orders.db")])', 'pth="/srv")])', "unknown-key", 4),
        ('path="/srv/orders/orders.db")])', 'path="${{ inputs.database }}")])', "reference", 4),
        ('find=[look("holder"', 'find=["holder"] + [look("holder"', "draft-flaw", 5),
        ('    """Heal."""\n', "", "missing-key", 5),
        ("    pass\n", "    find.holdr.pid\n", "reference", 7),
        ("    pass\n", '    find["holder"].pit\n', "reference", 7),
        ("    pass\n", "    service.nam\n", "reference", 7),
        ('"file.write"', '"file.wite"', "unknown-action", 9),
        ('content="x"', 'contents="x"', "unknown-key", 9),
        ('probe("sqlite.writable"', 'probe("sqlite.writeable"', "unknown-probe", 10),
    ],
)
def test_each_mistake_of_an_author_is_told_at_its_line(
    tmp_path: Path, old: str, new: str, rule: str, line: int
) -> None:
    text = drafting()
    assert old in text
    found = flaws(tmp_path, text.replace(old, new, 1))

    assert (rule, line) in {(one.rule, one.line) for one in found}, found
    assert all(one.file.endswith("p.py") for one in found)


@pytest.mark.parametrize(
    "body",
    [
        "service.labels.shards.split(',')",
        "find.holder.name.upper()[0]",
        "for name, value in find.items(): pass",
        "service.labels.get('shards')",
        "find.holder['pid']",
        "find[incident.title].whatever",
    ],
)
def test_what_is_python_s_own_is_no_reference(tmp_path: Path, body: str) -> None:
    assert flaws(tmp_path, drafting(body)) == ()


def test_an_input_that_nothing_uses_is_told(tmp_path: Path) -> None:
    declared = 'inputs={"database": Input("path", source="incident.labels.database")},'
    text = LOWER_POOLS.replace("inputs: Found", "service").replace("inputs.database", '"/srv/a"')
    (flaw,) = flaws(tmp_path, text.replace('"${{ "/srv/a" }}"', '"/srv/a"'))

    assert flaw.rule == "unused-input"
    assert text.splitlines()[flaw.line - 1].strip() == declared


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"\xff\xfe", "syntax"),
        (b"x = '\0'", "syntax"),
        (b"(" * 500 + b")" * 500, "syntax"),
        (b"#" * 300_000, "too-large"),
    ],
)
def test_what_cannot_be_read_as_python_is_a_flaw(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "p.py").write_bytes(content)
    outcome = load_playbook(tmp_path / "p.py", CATALOGUE)

    assert not isinstance(outcome, LoadedPlaybook)
    assert [one.rule for one in outcome] == [rule]


def test_every_allowed_name_is_there_and_none_is_a_module() -> None:
    later = {"batched"}  # Came with Python 3.12.
    for name, allowed in MODULES.items():
        module = importlib.import_module(name)
        assert [one for one in allowed - later if not hasattr(module, one)] == [], name
        assert not any(isinstance(getattr(module, one, None), types.ModuleType) for one in allowed), name


@pytest.mark.parametrize(
    ("imports", "content"),
    [
        ("import math", "str(math.ceil(1.5))"),
        ("import re", 're.sub("a", "b", "aaa")'),
        ("import statistics", "str(statistics.median([1, 2, 3]))"),
        ("from datetime import datetime", 'datetime.strptime("2026-01-02", "%Y-%m-%d").isoformat()'),
        ("from dataclasses import dataclass", 'Pair("a", 2).name'),
        ("from collections import Counter", 'str(Counter("aab")["a"])'),
        ("from itertools import chain", '"".join(chain("a", "b"))'),
        ("import json", 'json.dumps({"a": 1})'),
        ("from pathlib import PurePosixPath", 'PurePosixPath("/a/b").name'),
        ("from typing import NamedTuple", "str(NamedTuple)[:1]"),
        ("import functools, string", "functools.reduce(max, string.digits)"),
    ],
)
def test_what_is_allowed_works(tmp_path: Path, imports: str, content: str) -> None:
    pair = "\n\n@dataclass(frozen=True, slots=True)\nclass Pair:\n    name: str\n    size: int\n"
    text = drafting(content=content, imports=imports + (pair if "dataclass" in imports else ""))

    assert isinstance(plan(tmp_path, text).steps[0].parameters["content"], str)


def called(text: str, modules: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    """Call source that no lint has seen in the process for playbooks; return how it ended and what it answered."""
    request: dict[str, object] = {"text": text, "modules": list(modules), "function": "f", "values": {}}
    command = [sys.executable, "-S", "-P", "-s", "-B", calling.__file__, str(Path(grace.__file__).parents[1])]
    done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, check=False, env={})
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


ESCAPE = """\
from grace.authoring.playbook import playbook, cause, NothingToDo
def f(): {body}
f = playbook(when=cause("x"))(f)
"""
_OS = (
    "c = [k for k in ().__class__.__base__.__subclasses__() if k.__name__ == '_wrap_close'][0]; "
    "os = c.__init__.__globals__"
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('open("/etc/passwd")', "NameError"),
        ("import os", "may not import os"),
        (f"{_OS}; return NothingToDo(str(os['open']('/etc/passwd', 0)))", "Too many open files"),
        (f"{_OS}; return NothingToDo(str(os['pipe']()))", "Too many open files"),
        (f"{_OS}; return NothingToDo(str(os['environ'].get('HOME')))", "None"),
    ],
)
def test_source_that_no_lint_has_seen_can_open_nothing(body: str, said: str) -> None:
    _, answer = called(ESCAPE.format(body=body))

    assert said in json.dumps(answer)


@pytest.mark.parametrize(
    "body", ["import re; re.match('(a+)+$', 'a' * 60 + 'b')", "return 9 ** 9 ** 9", "return sum(range(10 ** 12))"]
)
def test_a_hang_in_c_is_ended_by_the_kernel(body: str) -> None:
    ended, answer = called(ESCAPE.format(body=body), ("re",))

    assert "hung" in answer or ended in (-signal.SIGKILL, -signal.SIGXCPU), (ended, answer)


def test_the_process_for_playbooks_leaves_nothing_behind(tmp_path: Path) -> None:
    before = list(Path("/proc/self/fd").iterdir())
    plan(tmp_path, drafting())

    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)
