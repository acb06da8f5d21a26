"""The source as syntax trees, and what the house rules ask of them."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parents[2]
GRACE: Final = ROOT / "src" / "grace"
SDK: Final = ROOT / "sdk" / "src" / "grace_sdk"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file; `name` is its path below the folder that holds its package."""

    name: str
    path: Path
    tree: ast.Module


@cache
def modules(folder: Path) -> tuple[Module, ...]:
    """Parse every Python file below a folder."""
    return tuple(
        Module(path.relative_to(folder.parent).as_posix(), path, ast.parse(path.read_text(), str(path)))
        for path in sorted(folder.rglob("*.py"))
    )


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Yield each function of a module under its qualified name, `module.py::Class.method`."""
    yield from _functions(module.tree, f"{module.name}::")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield prefix + child.name, child
                yield from _functions(child, f"{prefix}{child.name}.")
            case ast.ClassDef():
                yield from _functions(child, f"{prefix}{child.name}.")
            case _:
                yield from _functions(child, prefix)


def places(module: Module, matches: Callable[[ast.AST], bool]) -> Iterator[str]:
    """Yield the innermost function (or the module) around every node that matches."""
    yield from _places(module.tree, module.name, "", matches)


def _places(node: ast.AST, module_name: str, inside: str, matches: Callable[[ast.AST], bool]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if matches(child):
            yield f"{module_name}::{inside}" if inside else module_name
        here = inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            here = f"{inside}.{child.name}" if inside else child.name
        yield from _places(child, module_name, here, matches)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of names, or an empty string for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value)
            return f"{base}.{attr}" if base else ""
        case _:
            return ""


def imported(node: ast.AST) -> tuple[str, ...]:
    """Return the absolute names that an import statement brings in, `package.module.name` for each name of a `from`."""
    match node:
        case ast.Import(names=names):
            return tuple(alias.name for alias in names)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return tuple(f"{module}.{alias.name}" for alias in names)
        case _:
            return ()


def hold_to(rule: str, found: Iterable[str], exempt: Mapping[str, str]) -> None:
    """Fail on places that break a rule, and on exemptions that nothing needs any more: the list only shrinks."""
    broken = set(found)
    new = sorted(broken - exempt.keys())
    stale = sorted(exempt.keys() - broken)
    assert not new, f"{rule}:\n  " + "\n  ".join(new)
    assert not stale, (
        f"Exemptions that nothing needs any more; remove them from the list of '{rule}':\n  " + "\n  ".join(stale)
    )
