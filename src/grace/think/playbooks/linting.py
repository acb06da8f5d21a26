"""The checks that every part of a playbook shares: expressions, and the parameters of a call against its model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, JsonValue, ValidationError

from grace.kit.documents import Document, Flaw, Path, nearest
from grace.kit.parsing import flaw_of, validate
from grace.model.catalogue import Catalogue
from grace.think.playbooks.evaluation import OUTPUTS
from grace.think.playbooks.expressions import (
    ExpressionInvalidError,
    Piped,
    Template,
    parse_piped,
    parse_template,
)
from grace.think.playbooks.scope import Scope, UntypableError, shape_of_piped
from grace.think.playbooks.shapes import ANYTHING, LIST, OBJECT, TEXT, Shape, mismatch, shape_of_model


@dataclass(slots=True)
class Linting:
    """One walk over a playbook: gathers flaws, and the inputs that are referred to."""

    document: Document
    catalogue: Catalogue
    flaws: list[Flaw] = field(default_factory=list[Flaw])
    used_inputs: set[str] = field(default_factory=set[str])
    unclear: list[str] = field(default_factory=list[str])
    """Expressions with a flaw of their own: what they were meant to refer to is not known."""

    def add(self, path: Path, rule: str, message: str, remedy: str = "") -> None:
        self.flaws.append(self.document.flaw(path, rule, message, remedy))

    def may_use(self, name: str) -> bool:
        """Tell whether an input is used, or was probably meant by an expression that has a flaw of its own."""
        return name in self.used_inputs or any(nearest(name, _WORD.findall(text)) for text in self.unclear)

    def misread(self, path: Path, text: str, rule: str, message: str, remedy: str = "") -> None:
        """Add the flaw of an expression; that one alone, not what follows from it."""
        self.unclear.append(text)
        self.add(path, rule, message, remedy)

    def expression(self, path: Path, text: str, scope: Scope, wanted: Shape) -> None:
        """Check a path with filters that stands without `${{ }}`."""
        try:
            piped = parse_piped(text)
        except ExpressionInvalidError as error:
            self.misread(path, text, "expression", f"{text!r} is no expression: {error}")
            return
        self.piped(path, piped, scope, wanted)

    def piped(self, path: Path, piped: Piped, scope: Scope, wanted: Shape) -> None:
        """Check that a reference leads somewhere, to a value of the wanted shape."""
        self.note_use(piped)
        try:
            given = shape_of_piped(piped, scope)
        except UntypableError as error:
            self.misread(path, str(piped), "reference", str(error), error.remedy)
            return
        if piped.root == OUTPUTS and (why_not := _not_an_output(piped, wanted)):
            self.add(path, "reference", why_not)
        elif why := mismatch(given, wanted):
            self.add(path, "reference-type", f"{piped} {why}")

    def note_use(self, piped: Piped) -> None:
        steps = getattr(piped.operand, "steps", ())
        if piped.root == "inputs" and len(steps) > 1:
            self.used_inputs.add(str(steps[1]))

    def value(self, path: Path, value: JsonValue, scope: Scope, wanted: Shape) -> bool:
        """Check every reference inside a value; return whether there is any."""
        if isinstance(value, str):
            return self._text(path, value, scope, wanted)
        if not isinstance(value, list | dict):
            return False
        found = [self.value((*path, key), item, scope, _inside(wanted, key)) for key, item in _items(value)]
        return any(found)

    def parameters(self, path: Path, value: dict[str, JsonValue], model: type[BaseModel] | None, scope: Scope) -> None:
        """Check the `with` of a call: literals by the model itself, references by their shape.

        Without a model, because the call has an unknown name, references are still followed.
        """
        has_reference = self.value(path, value, scope, shape_of_model(model) if model else ANYTHING)
        if model is None:
            return
        referring = set(_references(value, ())) if has_reference else set[Path]()
        try:
            validate(model, value)
        except ValidationError as error:
            for item in error.errors():
                if not _is_about(item["loc"], referring):
                    self.flaws.append(flaw_of(self.document, item, model, path))

    def _text(self, path: Path, text: str, scope: Scope, wanted: Shape) -> bool:
        try:
            template = parse_template(text)
        except ExpressionInvalidError as error:
            self.misread(path, text, "expression", f"{text!r}: {error}")
            return True
        if template is None:
            return False
        self._template(path, template, scope, wanted)
        return True

    def _template(self, path: Path, template: Template, scope: Scope, wanted: Shape) -> None:
        if template.lone is not None:
            self.piped(path, template.lone, scope, wanted)
            return
        if why := mismatch(TEXT, wanted):
            self.add(path, "reference-type", f"a reference inside text {why}", "Let the reference stand alone.")
        for piped in template.references:
            self.piped(path, piped, scope, _IN_TEXT)


_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEPS_OF_OUTPUT: Final = 3
_IN_TEXT: Final = Shape(frozenset({"text", "number", "boolean"}))


def _not_an_output(piped: Piped, wanted: Shape) -> str | None:
    """Say why this reference cannot wait in a plan until the output is there; None when it can.

    It waits as text: so it must be in the plainest form, and stand where text is taken.
    """
    if piped.filters or len(getattr(piped.operand, "steps", ())) != _STEPS_OF_OUTPUT:
        return f"{piped}: an output of an earlier write is referred to as do.ID.FIELD, without filters"
    if "text" not in wanted.kinds:
        return f"{piped}: an output of an earlier write can stand only where text is expected, not {wanted}"
    return None


def _items(value: list[JsonValue] | dict[str, JsonValue]) -> list[tuple[str | int, JsonValue]]:
    return list(enumerate(value)) if isinstance(value, list) else list(value.items())


def _inside(wanted: Shape, step: str | int) -> Shape:
    container = LIST if isinstance(step, int) else OBJECT
    return (wanted.step(step) or ANYTHING) if container.kinds & wanted.kinds else ANYTHING


def _references(value: JsonValue, path: Path) -> Iterator[Path]:
    if isinstance(value, str):
        if "${{" in value:
            yield path
    elif isinstance(value, list | dict):
        for key, item in _items(value):
            yield from _references(item, (*path, key))


def _is_about(loc: Path, referring: set[Path]) -> bool:
    """Tell whether an error concerns a part that is only known when the plan is made.

    Errors about the whole are trusted only where every part is literal: a rule over two fields cannot be judged while
    one of them is a placeholder.
    """
    if not loc:
        return bool(referring)
    return any(_is_around(one, loc) for one in referring)


def _is_around(reference: Path, loc: Path) -> bool:
    shared = min(len(reference), len(loc))
    return reference[:shared] == loc[:shared] or reference == tuple(step for step in loc if step in reference)
