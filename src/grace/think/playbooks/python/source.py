"""Lint of the source: what a pure function cannot need is refused with its line, before anything is executed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from grace.authoring.purity import AUTHORING, BUILTINS, METHODS, MODULES, NO_ATTRIBUTES
from grace.kit.documents import Flaw, Mark, Path, did_you_mean

LARGEST_BYTES: Final = 256 * 1024
READS: Final = ("incident", "find", "service", "inputs")
"""What a function may ask for, by the names of its parameters."""
_MOVE_OUT: Final = "Put @playbook(...) over one function, or move the file out of the folder."
_NO_IO: Final = "A playbook reads the world through `find` alone."

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose syntax is pure: the one function under `@playbook`, and where the parts of the heading stand."""

    file: str
    text: str
    tree: ast.Module
    function: ast.FunctionDef
    reads: tuple[str, ...]
    marks: Mapping[Path, Mark]

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the modules that the file imports."""
        return tuple(sorted({name for node in ast.walk(self.tree) for name in _modules_of(node)}))

    def flaw(self, line: int, rule: str, message: str, remedy: str = "") -> Flaw:
        return Flaw(self.file, line, 1, rule, message, remedy)


def read_source(content: bytes, file: str) -> Source | tuple[Flaw, ...]:
    """Return the source without flaws of its syntax, or all of them in the order of the file."""
    tree = _parsed(content, file)
    if isinstance(tree, Flaw):
        return (tree,)
    flaws = [*_impure(tree, file)]
    found = _playbooks(tree)
    if len(found) != 1:
        flaws.append(_not_one(found, file))
    flaws += [flaw for function in found for flaw in _signature_flaws(function, file)]
    if flaws:
        return tuple(sorted(set(flaws)))
    (function,) = found
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - the signature was checked
    reads = tuple(one.arg for one in (*function.args.args, *function.args.kwonlyargs))
    return Source(file, content.decode(), tree, function, reads, _marks(function))


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of names, else nothing."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr) if base := dotted(value):
            return f"{base}.{attr}"
        case _:
            return ""


def _parsed(content: bytes, file: str) -> ast.Module | Flaw:
    if len(content) > LARGEST_BYTES:
        return Flaw(file, 1, 1, "too-large", f"the file has more than {LARGEST_BYTES} bytes", "Split it.")
    try:
        return ast.parse(content.decode(), file)
    except UnicodeDecodeError:
        return Flaw(file, 1, 1, "syntax", "the file is not UTF-8", "Save it as UTF-8.")
    except SyntaxError as error:
        return Flaw(file, error.lineno or 1, error.offset or 1, "syntax", f"this is no Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Flaw(file, 1, 1, "syntax", f"this cannot be read as Python: {error}")


def _playbooks(tree: ast.Module) -> list[Function]:
    """Return every function under `@playbook`, at whatever depth."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [function for function in functions if _decorator(function) is not None]


def _decorator(function: Function) -> ast.expr | None:
    for one in function.decorator_list:
        called = one.func if isinstance(one, ast.Call) else one
        if dotted(called) in ("playbook", f"{AUTHORING}.playbook"):
            return one
    return None


def _not_one(found: list[Function], file: str) -> Flaw:
    if not found:
        return Flaw(file, 1, 1, "no-playbook", "the file declares no playbook", _MOVE_OUT)
    names = ", ".join(function.name for function in found)
    line = found[1].lineno
    return Flaw(file, line, 1, "several-playbooks", f"the file declares several playbooks: {names}", "One to a file.")


def _signature_flaws(function: Function, file: str) -> Iterator[Flaw]:
    def flaw(node: ast.AST, message: str, remedy: str) -> Flaw:
        line, column = getattr(node, "lineno", function.lineno), getattr(node, "col_offset", 0)
        return Flaw(file, line, column + 1, "signature", message, remedy)

    if isinstance(function, ast.AsyncFunctionDef):
        yield flaw(function, f"{function.name} is asynchronous, and a pure function waits for nothing", "Write `def`.")
    if not isinstance(_decorator(function), ast.Call):
        yield flaw(function, "@playbook is not called", 'Write @playbook(when=cause("...")).')
    if function.col_offset:
        yield flaw(function, f"{function.name} stands inside something else", "Put it at the top of the file.")
    if len(function.decorator_list) != 1:
        yield flaw(function, f"{function.name} has other decorators than @playbook", "Remove them.")
    given = function.args
    for odd in (*given.posonlyargs, *filter(None, (given.vararg, given.kwarg))):
        yield flaw(odd, f"{function.name} takes {odd.arg} in a way that has no name", f"Take {', '.join(READS)}.")
    for one in (*given.args, *given.kwonlyargs):
        if one.arg not in READS:
            yield flaw(one, f"nothing is called {one.arg!r} that a playbook could read", did_you_mean(one.arg, READS))


def _marks(function: ast.FunctionDef) -> Mapping[Path, Mark]:
    marks: dict[Path, Mark] = {(): Mark(function.lineno, 1)}
    decorator = _decorator(function)
    assert isinstance(decorator, ast.Call)  # noqa: S101 - the signature was checked
    for keyword in decorator.keywords:
        if keyword.arg is None:
            continue
        path: Path = (keyword.arg,)
        marks[path] = Mark(keyword.lineno, keyword.col_offset + 1)
        marks |= {(*path, step): Mark(one.lineno, one.col_offset + 1) for step, one in _parts(keyword.value)}
    return marks


def _parts(value: ast.expr) -> Iterator[tuple[str | int, ast.expr]]:
    match value:
        case ast.Dict(keys=keys, values=values):
            for key, one in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, one
        case ast.List(elts=items) | ast.Tuple(elts=items):
            yield from enumerate(items)
        case _:
            pass


def _impure(tree: ast.Module, file: str) -> Iterator[Flaw]:
    bound = frozenset(_bound(tree))
    for node in ast.walk(tree):
        for message, remedy in _why_impure(node, bound):
            line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
            yield Flaw(file, line, column, "not-pure", message, remedy)


def _why_impure(node: ast.AST, bound: frozenset[str]) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from _import_flaws(node)
        case ast.Name(id=name):
            yield from _name_flaws(name, bound)
        case ast.Attribute(attr=attr):
            yield from _attribute_flaws(attr)
        case ast.MatchClass(kwd_attrs=attributes):
            for attr in attributes:
                yield from _attribute_flaws(attr)
        case _:
            yield from _statement_flaws(node)


def _statement_flaws(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            if _is_dunder(name) and name not in METHODS:
                yield f"{name} is not a name that a playbook may define", f"Allowed: {', '.join(sorted(METHODS))}."
        case ast.ExceptHandler(type=None):
            yield "a bare `except` would hide the playbook's own faults", "Name what is expected."
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield f"{', '.join(names)} would remember something between two calls", "Return it instead."
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "a pure function waits for nothing", "Write it without async."
        case ast.keyword(arg="metaclass"):
            yield "a playbook needs no metaclass", "Use a dataclass."
        case _:
            pass


def _import_flaws(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in MODULES:
                yield _foreign(alias.name)
            elif "." in alias.name:
                yield f"import {alias.name} names no part of it", f"Write `from {alias.name} import ...`."
        return
    module = "." * node.level + (node.module or "")
    if module not in MODULES:
        yield _foreign(module)
        return
    for alias in node.names:
        if alias.name not in MODULES[module]:
            yield f"{module} has no {alias.name!r} that a playbook may use", did_you_mean(alias.name, MODULES[module])


def _foreign(module: str) -> tuple[str, str]:
    known = ", ".join(sorted(MODULES.keys() - {"__future__"}))
    return f"a playbook may not import {module}", f"{_NO_IO} Allowed: {known}."


def _name_flaws(name: str, bound: frozenset[str]) -> Iterator[tuple[str, str]]:
    if name.startswith("__") and name not in BUILTINS:
        yield f"{name} leads out of the playbook", "Remove it."
    elif name in _BUILTIN and name not in BUILTINS and name not in bound:
        yield f"{name} is nothing that a pure function needs", _NO_IO
    elif name in {"__import__", "__build_class__"}:
        yield f"{name} leads out of the playbook", "Write a plain import."


def _attribute_flaws(attr: str) -> Iterator[tuple[str, str]]:
    if attr.startswith("_"):
        yield f".{attr} is not the playbook's to use", "Use what is public."
    elif attr in NO_ATTRIBUTES:
        yield f".{attr} is not allowed: {NO_ATTRIBUTES[attr]}", f'Read a field of that name as an item: ["{attr}"].'


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield name
            case _:
                pass


def _modules_of(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return ()


def _is_dunder(name: str) -> bool:
    return name.startswith("__")


_BUILTIN: Final = frozenset(dir(builtins))
