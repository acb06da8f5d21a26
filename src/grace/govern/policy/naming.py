"""What a Cedar policy says about itself, read from its JSON: whom it names and what it binds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

_LIMITING: Final = ("<", "<=", "==")


def named_service(tree: dict[str, JsonValue]) -> str | None:
    """Return the service of `resource == Service::"…"` in the scope; None when the rule may concern any."""
    scope = as_record(tree.get("resource"))
    entity = as_record(scope.get("entity"))
    return as_text(entity.get("id")) if scope.get("op") == "==" and entity.get("type") == "Service" else None


def first_deed(tree: dict[str, JsonValue]) -> str | None:
    """Return the deed where `context.step.deed == Deed::"…"` is the first claim: others make it false at once."""
    match next(_claims(tree), None):
        case {"==": {"left": left, "right": {"Value": {"__entity": {"type": "Deed", "id": str() as deed}}}}}:
            return deed if left == _of_step("deed") else None
        case _:
            return None


def names_irreversible(tree: dict[str, JsonValue]) -> bool:
    """Tell whether the rule can only match one action of one service within stated bounds.

    Read from its structure, not from an annotation: the scope names the service, and among the claims that must all
    hold one says which deed it is and one limits a parameter or the targets of the step by literals.
    """
    claims = list(_claims(tree))
    names_deed = any(_names_deed(claim) for claim in claims)
    return named_service(tree) is not None and names_deed and any(_limits(claim) for claim in claims)


def entity_ids(tree: JsonValue, kind: str) -> Iterator[str]:
    """Yield the ids of every entity literal of a type, wherever it stands."""
    match tree:
        case {"type": str() as found, "id": str() as entity} if found == kind:
            yield entity
        case dict():
            for item in tree.values():
                yield from entity_ids(item, kind)
        case list():
            for item in tree:
                yield from entity_ids(item, kind)
        case _:
            return


def as_record(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def as_list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _claims(tree: dict[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
    """Yield what must hold for the rule to match: the operands of the outermost `&&`s of every `when`."""
    for condition in as_list(tree.get("conditions")):
        match condition:
            case {"kind": "when", "body": dict() as body}:
                yield from _operands(body)
            case _:
                continue


def _operands(expression: dict[str, JsonValue]) -> Iterator[dict[str, JsonValue]]:
    match expression:
        case {"&&": {"left": dict() as left, "right": dict() as right}}:
            yield from _operands(left)
            yield from _operands(right)
        case _:
            yield expression


def _names_deed(claim: dict[str, JsonValue]) -> bool:
    match claim:
        case {"==": {"left": left, "right": {"Value": {"__entity": {"type": "Deed"}}}}}:
            return left == _of_step("deed")
        case _:
            return False


def _limits(claim: dict[str, JsonValue]) -> bool:
    match claim:
        case {"like": {"left": left, "pattern": [*pattern]}}:
            return _is_parameter(left) and any(isinstance(piece, dict) for piece in pattern)
        case {"contains": {"left": {"Set": [*_]}, "right": right}}:
            return _is_parameter(right)
        case {"==": {"left": left, "right": {"Set": [*_]}}}:
            return left == _of_step("targets")
        case _:
            return any(_compares(claim, operator) for operator in _LIMITING)


def _compares(claim: dict[str, JsonValue], operator: str) -> bool:
    match claim.get(operator):
        case {"left": left, "right": {"Value": _}}:
            return _is_parameter(left)
        case _:
            return False


def _is_parameter(expression: JsonValue) -> bool:
    match expression:
        case {"getTag": {"left": left}}:
            return left in (_of_step("numbers"), _of_step("texts"))
        case _:
            return False


def _of_step(attribute: str) -> JsonValue:
    step: JsonValue = {".": {"left": {"Var": "context"}, "attr": "step"}}
    return {".": {"left": step, "attr": attribute}}
