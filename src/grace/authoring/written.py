"""What a playbook in Python declares and drafts, as the JSON that YAML would have held, with the line of each part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from grace.authoring.playbook import (
    Clause,
    Contract,
    Declared,
    Draft,
    Input,
    Look,
    NothingToDo,
    Output,
    Step,
)

OPEN: Final = "${{"
_DEEPEST: Final = 32
_INPUT: Final = {"source": "from"}


class DraftInvalidError(Exception):
    """What the playbook gave cannot be written down, and at which of its lines."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def declaration(declared: Declared) -> dict[str, Any]:
    """Return the heading as YAML would have held it."""
    heading: dict[str, Any] = {
        "format": 1,
        "name": declared.name,
        "version": declared.version,
        "summary": declared.summary,
        "when": {"cause": declared.when.name, "labels": dict(declared.when.labels)},
        "priority": declared.priority,
        "inputs": {name: _input(name, one) for name, one in declared.inputs.items()},
        "find": [_look(one) for one in declared.find],
    }
    lines: list[list[Any]] = [[["find", index], one.line] for index, one in enumerate(declared.find)]
    return {"heading": _plain(heading, "the heading", 0, 0, is_found=True), "lines": lines}


def draft_of(given: object) -> dict[str, Any]:
    """Return the draft as YAML would have held it, or why there is nothing to do; raise DraftInvalidError."""
    match given:
        case NothingToDo(why):
            return {"nothing": str(why)}
        case Draft():
            return _draft(given)
        case _:
            message = f"the function gave {_kind(given)}, and a Draft or NothingToDo is expected"
            raise DraftInvalidError(message)


def _draft(draft: Draft) -> dict[str, Any]:
    contract = cast("object", draft.contract)
    if not isinstance(contract, Contract):
        message = f"the contract is {_kind(contract)}, and a Contract is expected"
        raise DraftInvalidError(message)
    steps = _all(draft.do, Step, "do")
    phases = {
        phase: _all(clauses, Clause, f"contract.{phase}")
        for phase, clauses in (
            ("before", draft.contract.before),
            ("throughout", draft.contract.throughout),
            ("after", draft.contract.after),
        )
    }
    lines: list[list[Any]] = [[["do", index], step.line] for index, step in enumerate(steps)]
    lines += [
        [["contract", phase, index], one.line] for phase, clauses in phases.items() for index, one in enumerate(clauses)
    ]
    written = {
        "do": [_step(one) for one in steps],
        "contract": {phase: [_clause(one) for one in clauses] for phase, clauses in phases.items()},
        "on_violated": _plain(draft.on_violated, "on_violated", 0, 0),
        "on_inconclusive": _plain(draft.on_inconclusive, "on_inconclusive", 0, 0),
    }
    return {"draft": written, "lines": lines}


def _all(given: object, kind: type[Any], where: str) -> list[Any]:
    """Return the items of a list; raise DraftInvalidError for what is not of this kind."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        message = f"{where} is {_kind(given)}, and a list is expected"
        raise DraftInvalidError(message)
    items = list(cast("Sequence[Any]", given))
    for index, one in enumerate(items):
        if not isinstance(one, kind):
            remedy = "; compare it, as in .is_(True)" if kind is Clause and hasattr(one, "worsens_at_most") else ""
            message = f"{where}.{index} is {_kind(one)}, and a {kind.__name__} is expected{remedy}"
            raise DraftInvalidError(message, int(getattr(one, "line", 0)))
    return items


def _step(step: Step) -> dict[str, Any]:
    where = f"step {step.id}"
    written: dict[str, Any] = {"id": step.id, "uses": step.uses, "with": _plain(step.parameters, where, step.line, 0)}
    if step.undo is not None:
        written["undo"] = {
            "uses": step.undo.uses,
            "with": _plain(step.undo.parameters, f"undo of {where}", step.line, 0),
            "after_restore": step.undo.after_restore,
        }
    return written


def _clause(clause: Clause) -> Any:  # noqa: ANN401 - plain JSON
    return _plain(clause.written, "clause", clause.line, 0)


def _input(name: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Input):
        message = f"the input {name!r} is {_kind(given)}, and an Input is expected"
        raise DraftInvalidError(message)
    fields = ("type", "source", "default", "at_least", "at_most", "one_of", "summary")
    values = {field: getattr(given, field) for field in fields}
    return {_INPUT.get(field, field): value for field, value in values.items() if value is not None or field == "type"}


def _look(given: object) -> dict[str, Any]:
    if not isinstance(given, Look):
        message = f"find holds {_kind(given)}, and look(...) is expected"
        raise DraftInvalidError(message)
    return {"id": given.id, "uses": given.uses, "with": given.parameters}


def _plain(value: object, where: str, line: int, depth: int, *, is_found: bool = False) -> Any:  # noqa: ANN401 - plain JSON
    """Return a value as plain JSON; raise DraftInvalidError for what JSON does not know, and for a reference in a text.

    A text that came from outside could hold one; only `output` makes a reference in a draft.
    """
    if depth > _DEEPEST:
        message = f"{where} is nested more than {_DEEPEST} deep"
        raise DraftInvalidError(message, line)
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case str() if is_found or OPEN not in value:
            return value
        case str():
            message = f"{where}: {value!r:.60} holds {OPEN!r}, which no text of a draft may; refer with output(...)"
            raise DraftInvalidError(message, line)
        case Output(step, field):
            return f"{OPEN} do.{step}.{field} }}}}"
        case Mapping():
            return _plain_mapping(cast("Mapping[Any, Any]", value), where, line, depth, is_found=is_found)
        case list() | tuple():
            return [_plain(one, where, line, depth + 1, is_found=is_found) for one in cast("list[object]", value)]
        case _:
            message = f"{where}: {_kind(value)} is no value that can stand in a plan"
            raise DraftInvalidError(message, line)


def _plain_mapping(value: Mapping[Any, Any], where: str, line: int, depth: int, *, is_found: bool) -> dict[str, Any]:
    for name in value:
        if not isinstance(name, str) or (OPEN in name and not is_found):
            message = f"{where}: {name!r:.60} is no name of a field"
            raise DraftInvalidError(message, line)
    return {name: _plain(one, f"{where}: {name}", line, depth + 1, is_found=is_found) for name, one in value.items()}


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
