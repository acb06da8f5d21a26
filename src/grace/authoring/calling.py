"""The process in which a playbook is called: nothing in it can open, start or wait for anything, and its time is short.

Run as a script, with the folder that holds `grace` as its argument. One request comes on standard input, one answer
goes out; an answer that names a fault names the line of the playbook. Before the source runs, the kernel is told to
allow no new file or socket, and only so much time and memory.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import resource
import signal
import sys
import types
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

from grace.authoring.playbook import Declared
from grace.authoring.purity import AUTHORING, BUILTINS, MODULES
from grace.authoring.written import DraftInvalidError, declaration, draft_of
from grace.kit.attempt import Raised, attempt

FILE: Final = "<playbook>"
CPU_LIMIT_S: Final = 2
MEMORY_LIMIT_BYTES: Final = 1024 * 1024 * 1024
LONGEST_ANSWER: Final = 4 * 1024 * 1024
_MODULE: Final = "grace_called_playbook"
_VIEWS: Final = {"incident": "Incident", "service": "Service"}

Answer = dict[str, Any]


class _Names(types.ModuleType):
    """A module of which only the allowed names can be reached."""


def answer(request: Mapping[str, Any]) -> Answer:
    """Run the source and return what it declares, or what its function drafts for the given values."""
    modules = {name: _narrowed(name) for name in (*request["modules"], AUTHORING)}
    # `strptime` imports this when it is first called, and then no file can be opened any more.
    needed = {"_strptime": importlib.import_module("_strptime")} if "datetime" in modules else {}
    code = compile(request["text"], FILE, "exec", dont_inherit=True)
    _limit()
    namespace = types.ModuleType(_MODULE)
    sys.modules[_MODULE] = namespace
    namespace.__dict__["__builtins__"] = _builtins({**modules, **needed})
    exec(code, namespace.__dict__)  # noqa: S102 - what it is for
    declared: object = namespace.__dict__.get(request["function"])
    if not isinstance(declared, Declared):
        return {"unusable": f"{request['function']} is not what @playbook returned", "line": 0}
    if request["values"] is None:
        return declaration(declared)
    return draft_of(declared.function(**_given(request["values"], modules[AUTHORING])))


def _given(values: Mapping[str, Any], names: types.ModuleType) -> dict[str, object]:
    """Return the arguments of the function, frozen all the way down."""
    found: Any = vars(names)["Found"]
    given: dict[str, object] = {}
    for name, value in values.items():
        shape = _VIEWS.get(name)
        fields = {key: found(one) if isinstance(one, dict) else one for key, one in value.items()}
        given[name] = found(value) if shape is None else vars(names)[shape](**fields)
    return given


def _narrowed(name: str) -> _Names:
    module, narrowed = importlib.import_module(name), _Names(name)
    for allowed in MODULES[name]:
        if hasattr(module, allowed):  # Some names came with a later Python.
            setattr(narrowed, allowed, getattr(module, allowed))
    return narrowed


def _builtins(modules: Mapping[str, types.ModuleType]) -> dict[str, object]:
    def import_(name: str, *_: object) -> types.ModuleType:
        if name not in modules:
            message = f"a playbook may not import {name}"
            raise ImportError(message)
        return modules[name]

    allowed: dict[str, object] = {name: getattr(builtins, name) for name in BUILTINS if hasattr(builtins, name)}
    return {**allowed, "__import__": import_, "__name__": _MODULE}


def _limit() -> None:
    """Have the kernel refuse every new file and socket, and end what takes too long or too much."""
    signal.signal(signal.SIGXCPU, _too_long)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _too_long(_number: int, frame: types.FrameType | None) -> NoReturn:
    while frame is not None and frame.f_code.co_filename != FILE:
        frame = frame.f_back
    _tell({"hung": f"it took more than {CPU_LIMIT_S} s", "line": 0 if frame is None else frame.f_lineno})
    os._exit(0)


def _fault(error: Exception) -> Answer:
    if isinstance(error, DraftInvalidError):
        return {"unusable": str(error), "line": error.line}
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return {"raised": f"{type(error).__name__}: {said}".rstrip(": "), "line": _line_of(error)}


def _line_of(error: Exception) -> int:
    """Return the innermost line of the playbook that the error went through."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == FILE else line
        trace = trace.tb_next
    return line


def _tell(said: Answer) -> None:
    text = json.dumps(said, allow_nan=False).encode()
    if len(text) > LONGEST_ANSWER:
        text = json.dumps({"unusable": f"the draft has more than {LONGEST_ANSWER} bytes", "line": 0}).encode()
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(1, rest) :]


def main() -> None:
    """Answer the one request."""
    request = cast("Mapping[str, Any]", json.load(sys.stdin))
    done = attempt(lambda: answer(request))
    _tell(_fault(done.error) if isinstance(done, Raised) else done.value)


if __name__ == "__main__":
    main()
