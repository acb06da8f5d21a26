"""Scope: what a reference may lead to at each place of a playbook, and of which shape it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from grace.kit.documents import did_you_mean
from grace.model.catalogue import Catalogue
from grace.think.playbooks.evaluation import OUTPUTS
from grace.think.playbooks.expressions import Comparison, Condition, Junction, Literal, Negation, Piped, Reference
from grace.think.playbooks.filters import FILTERS, misuse
from grace.think.playbooks.format import DoStep, FindStep, Input, InputType
from grace.think.playbooks.shapes import (
    ANYTHING,
    BOOLEAN,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
    Shape,
    kind_of,
    shape_of_answer,
    shape_of_model,
)

Scope = Mapping[str, Shape]
"""The roots that are in sight, each an object."""

_LABELS: Final = Shape(OBJECT.kinds, values=TEXT)
_OF_INPUT: Final = {
    InputType.TEXT: TEXT,
    InputType.PATH: TEXT,
    InputType.INTEGER: WHOLE,
    InputType.NUMBER: NUMBER,
    InputType.BOOLEAN: BOOLEAN,
    InputType.DURATION: NUMBER,
    InputType.SHARE: NUMBER,
}


class UntypableError(ValueError):
    """A reference that leads nowhere, or is used as what it cannot be; says why and what may have been meant."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def _closed(fields: Mapping[str, Shape]) -> Shape:
    return Shape(OBJECT.kinds, fields=dict(fields), is_open=False)


WORLD: Final[Scope] = {
    "incident": _closed(
        dict.fromkeys(("id", "title", "service", "environment", "fingerprint"), TEXT)
        | {"count": WHOLE, "occurrence": WHOLE, "labels": _LABELS}
    ),
    "service": _closed(dict.fromkeys(("name", "environment", "owner", "pid_file"), TEXT) | {"labels": _LABELS}),
}
"""What is known before anything is found: the incident and the service."""


def with_inputs(inputs: Mapping[str, Input]) -> Scope:
    return {**WORLD, "inputs": _closed({name: _OF_INPUT[one.type] for name, one in inputs.items()})}


def with_finds(scope: Scope, finds: Iterable[FindStep], catalogue: Catalogue) -> Scope:
    """Add what earlier `find` steps yield; an unknown probe yields anything, so that one mistake is one flaw."""
    known = {
        step.id: shape_of_answer(catalogue.probes[step.uses]) if step.uses in catalogue.probes else ANYTHING
        for step in finds
    }
    return {**scope, "find": _closed(known)}


def with_outputs(scope: Scope, steps: Iterable[DoStep], catalogue: Catalogue) -> Scope:
    """Add the outputs of earlier writes."""
    return {**scope, OUTPUTS: _closed({step.id: _outputs(step, catalogue) for step in steps})}


def _outputs(step: DoStep, catalogue: Catalogue) -> Shape:
    spec = catalogue.actions.get(step.uses)
    if spec is None:
        return ANYTHING
    return shape_of_model(spec.outputs) if spec.outputs else _closed({})


def shape_of_piped(piped: Piped, scope: Scope) -> Shape:
    """Return the shape of a path or literal after its filters; raise UntypableError."""
    shape = _shape_of_operand(piped.operand, scope)
    for used in piped.filters:
        if used.name not in FILTERS:
            message = f"there is no filter {used.name!r}"
            raise UntypableError(message, did_you_mean(used.name, FILTERS))
        if why := misuse(used, shape):
            raise UntypableError(why)
        shape = FILTERS[used.name].gives(shape, used.arguments)
    return shape


def check_condition(condition: Condition, scope: Scope) -> None:
    """Raise UntypableError unless the condition can be true or false."""
    match condition:
        case Comparison():
            _check_comparison(condition, scope)
        case Negation(of):
            check_condition(of, scope)
        case Junction(_, parts):
            for part in parts:
                check_condition(part, scope)
        case Piped():
            shape = shape_of_piped(condition, scope)
            if "boolean" not in shape.kinds:
                message = f"{condition} gives {shape}, which is neither true nor false"
                raise UntypableError(message, "Compare it with a value.")


def _check_comparison(comparison: Comparison, scope: Scope) -> None:
    left, right = _side(comparison.left, scope), _side(comparison.right, scope)
    if comparison.operator in ("==", "!="):
        if not left.kinds & right.kinds:
            message = f"{left} is never equal to {right}"
            raise UntypableError(message)
    elif "number" not in left.kinds or "number" not in right.kinds:
        message = f"{comparison.operator} compares numbers, not {left} with {right}"
        raise UntypableError(message)


def _side(condition: Condition, scope: Scope) -> Shape:
    if isinstance(condition, Piped):
        return shape_of_piped(condition, scope)
    check_condition(condition, scope)
    return BOOLEAN


def _shape_of_operand(operand: Literal | Reference, scope: Scope) -> Shape:
    if isinstance(operand, Literal):
        return Shape(frozenset({kind_of(operand.value)}))
    root, *rest = operand.steps
    if root not in scope:
        message = f"{operand}: {root!r} cannot be referred to here"
        raise UntypableError(message, did_you_mean(str(root), scope))
    shape = scope[str(root)]
    for step in rest:
        inner = shape.step(step)
        if inner is None:
            raise _no_such_step(operand, step, shape)
        shape = inner
    if not rest:
        message = f"{operand} is not a value by itself"
        raise UntypableError(message, _choice(shape))
    return shape


def _no_such_step(reference: Reference, step: str | int, shape: Shape) -> UntypableError:
    message = f"{reference}: there is no {step!r} here"
    return UntypableError(message, did_you_mean(str(step), shape.fields or ()))


def _choice(shape: Shape) -> str:
    return f"Name one of {', '.join(sorted(shape.fields))}." if shape.fields else ""
