"""What can be told of a function without calling it: where `find.holder.pid` leads, and which actions it names."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from grace.authoring.purity import AUTHORING
from grace.kit.documents import Flaw, did_you_mean
from grace.model.catalogue import Catalogue
from grace.think.playbooks.python.source import Source
from grace.think.playbooks.scope import Scope
from grace.think.playbooks.shapes import OBJECT, Shape

_MAPPING: Final = frozenset(name for name in dir(Mapping) if not name.startswith("_"))


def lint_function(source: Source, scope: Scope, catalogue: Catalogue) -> Iterator[Flaw]:
    """Yield what the function refers to and there is not; what it computes is seen when it is called."""
    rebound = {node.id for node in ast.walk(source.function) if isinstance(node, ast.Name) and _is_store(node)}
    roots = {name: scope[name] for name in source.reads if name in scope and name not in rebound}
    for node in _outermost(source.function):
        yield from _lint_chain(source, node, roots)
    names = _builders(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield from _lint_call(source, node, names, catalogue)


def _is_store(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store | ast.Del)


def _outermost(function: ast.FunctionDef) -> Iterator[ast.Attribute | ast.Subscript]:
    """Yield each chain of steps once, from its last step."""
    inner = {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Attribute | ast.Subscript)}
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute | ast.Subscript) and id(node) not in inner:
            yield node


def _lint_chain(source: Source, node: ast.expr, roots: Mapping[str, Shape]) -> Iterator[Flaw]:
    steps: list[tuple[ast.expr, str | int]] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        step = _step(node)
        if step is None:
            steps.clear()
        else:
            steps.append((node, step))
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in roots:
        return
    shape, said = roots[node.id], node.id
    for at, step in reversed(steps):
        if shape.kinds != OBJECT.kinds or (isinstance(at, ast.Attribute) and step in _MAPPING):
            return  # From here on it is Python's: a method of a text, an item of a list.
        inner = shape.step(step)
        said = f"{said}.{step}"
        if inner is None:
            remedy = did_you_mean(str(step), shape.fields or ())
            yield Flaw(source.file, at.lineno, at.col_offset + 1, "reference", f"{said}: there is no {step!r}", remedy)
            return
        shape = inner


def _step(node: ast.Attribute | ast.Subscript) -> str | int | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    match node.slice:
        case ast.Constant(value=str() | int() as value) if not isinstance(value, bool):
            return value
        case _:
            return None


def _builders(tree: ast.Module) -> Mapping[str, str]:
    """Return under which names the file knows the builders whose calls can be checked."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == AUTHORING
        for alias in node.names
        if alias.name in {"step", "probe"}
    }


def _lint_call(source: Source, call: ast.Call, names: Mapping[str, str], catalogue: Catalogue) -> Iterator[Flaw]:
    match call.func:
        case ast.Name(id=name) if name in names:
            kind, position = names[name], 1 if names[name] == "step" else 0
        case ast.Attribute(attr="undone_by"):
            kind, position = "step", 0
        case _:
            return
    if len(call.args) <= position:
        return
    uses = call.args[position]
    if not (isinstance(uses, ast.Constant) and isinstance(uses.value, str)):
        return
    known: Mapping[str, type[BaseModel]] = (
        {name: spec.parameters for name, spec in catalogue.actions.items()}
        if kind == "step"
        else {name: spec.parameters for name, spec in catalogue.probes.items()}
    )
    what = "action" if kind == "step" else "probe"
    if uses.value not in known:
        remedy = did_you_mean(uses.value, known)
        message = f"there is no {what} {uses.value!r}"
        yield Flaw(source.file, uses.lineno, uses.col_offset + 1, f"unknown-{what}", message, remedy)
        return
    yield from _lint_keywords(source, call, uses.value, _names_of(known[uses.value]))


def _lint_keywords(source: Source, call: ast.Call, uses: str, taken: Collection[str]) -> Iterator[Flaw]:
    for keyword in call.keywords:
        name = keyword.arg
        if name is None or name in taken or (name == "after_restore" and isinstance(call.func, ast.Attribute)):
            continue
        message = f"{uses} takes no {name!r}"
        yield Flaw(
            source.file, keyword.lineno, keyword.col_offset + 1, "unknown-key", message, did_you_mean(name, taken)
        )


def _names_of(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(info.alias or name for name, info in model.model_fields.items())
