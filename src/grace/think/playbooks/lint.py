"""Lint: every flaw of a playbook that can be known before it is used, each with its line and what to do next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from grace.kit.documents import Document, Flaw, Path, did_you_mean
from grace.kit.parsing import parse
from grace.model.catalogue import ActionSpec, Catalogue, ProbeSpec
from grace.model.cause import NEVER_ACT
from grace.model.plan import Remedy, Reversibility
from grace.think.playbooks.expressions import ExpressionInvalidError, parse_condition, references_of
from grace.think.playbooks.format import DoStep, FindStep, Heading, Input, InputType, Playbook, UndoStep
from grace.think.playbooks.inputs import InputInvalidError, read_input, read_value
from grace.think.playbooks.lint_contract import lint_contract
from grace.think.playbooks.linting import Linting
from grace.think.playbooks.reversing import reversibility_of
from grace.think.playbooks.scope import (
    WORLD,
    Scope,
    UntypableError,
    check_condition,
    with_finds,
    with_inputs,
    with_outputs,
)
from grace.think.playbooks.secrets import REMEDY, secrets_written
from grace.think.playbooks.shapes import Shape

_BOUNDED = frozenset({InputType.INTEGER, InputType.NUMBER, InputType.DURATION, InputType.SHARE})
_FROM_TEXT = frozenset({"text", "number", "boolean"})
"""Every input type can be read from text; what a number or a boolean cannot become is found when the plan is made."""


def lint_document(
    document: Document, catalogue: Catalogue, causes: Collection[str] | None = None
) -> Playbook | tuple[Flaw, ...]:
    """Return the playbook, or all its flaws in the order of the file.

    `causes` are the causes that the knowledge can find; without them the cause of the playbook is not checked.
    """
    playbook = parse(document, Playbook)
    if not isinstance(playbook, Playbook):
        return playbook
    return lint(playbook, document, catalogue, causes) or playbook


def lint(
    playbook: Playbook, document: Document, catalogue: Catalogue, causes: Collection[str] | None = None
) -> tuple[Flaw, ...]:
    """Return the flaws of a playbook whose form is right."""
    work = Linting(document, catalogue)
    scope = lint_heading(work, playbook, causes)
    _lint_steps(work, playbook.do, scope)
    lint_contract(work, playbook.contract, scope)
    _lint_remedies(work, playbook)
    _lint_secrets(work, playbook, ("do", "contract"))
    for name in sorted(name for name in playbook.inputs if not work.may_use(name)):
        work.add(("inputs", name), "unused-input", f"the input {name!r} is never used", "Use it or remove it.")
    return tuple(sorted(set(work.flaws)))


def lint_heading(work: Linting, heading: Heading, causes: Collection[str] | None) -> Scope:
    """Add the flaws of the heading; return what the rest may refer to."""
    _lint_cause(work, heading, causes)
    _lint_inputs(work, heading.inputs)
    _lint_secrets(work, heading, ("summary", "find"))
    return _lint_finds(work, heading.find, with_inputs(heading.inputs))


def _lint_cause(work: Linting, playbook: Heading, causes: Collection[str] | None) -> None:
    cause = playbook.when.cause
    if cause in NEVER_ACT:
        work.add(("when", "cause"), "unknown-cause", f"the cause {cause!r} never leads to an action", "Name a cause.")
    elif causes is not None and cause not in causes:
        message = f"no knowledge finds the cause {cause!r}"
        work.add(("when", "cause"), "unknown-cause", message, did_you_mean(cause, causes))


def _lint_inputs(work: Linting, inputs: Mapping[str, Input]) -> None:
    for name, declared in inputs.items():
        path: Path = ("inputs", name)
        if declared.source is not None:
            work.expression((*path, "from"), declared.source, WORLD, Shape(_FROM_TEXT))
        are_bounds_right = _lint_bounds(work, path, declared)
        try:
            if declared.default is not None and are_bounds_right:
                read_input(declared, declared.default)
        except InputInvalidError as error:
            work.add((*path, "default"), "input-default", f"the default does not fit: {error}")


def _lint_bounds(work: Linting, path: Path, declared: Input) -> bool:
    """Add the flaws of the bounds; return whether there is none, so that a default can be held to them."""
    before = len(work.flaws)
    for word in ("at_least", "at_most"):
        bound: float | str | None = getattr(declared, word)
        if bound is None:
            continue
        if declared.type not in _BOUNDED:
            work.add((*path, word), "input-bound", f"a {declared.type} has no {word}", "Use one_of.")
            continue
        try:
            read_value(declared.type, bound)
        except InputInvalidError as error:
            work.add((*path, word), "input-bound", f"the bound is no {declared.type}: {error}")
    for index, one in enumerate(declared.one_of):
        try:
            read_value(declared.type, one)
        except InputInvalidError as error:
            work.add((*path, "one_of", index), "input-bound", f"no {declared.type}: {error}")
    return len(work.flaws) == before


def _lint_finds(work: Linting, finds: Sequence[FindStep], scope: Scope) -> Scope:
    _lint_ids(work, "find", [step.id for step in finds])
    for index, step in enumerate(finds):
        path: Path = ("find", index)
        earlier = with_finds(scope, finds[:index], work.catalogue)
        spec = _probe(work, (*path, "uses"), step.uses)
        work.parameters((*path, "with"), step.parameters, spec and spec.parameters, earlier)
    return with_finds(scope, finds, work.catalogue)


def _lint_steps(work: Linting, steps: Sequence[DoStep], scope: Scope) -> None:
    _lint_ids(work, "do", [step.id for step in steps])
    for index, step in enumerate(steps):
        path: Path = ("do", index)
        if step.condition is not None:
            _lint_condition(work, (*path, "if"), step.condition, scope)
        spec = _action(work, (*path, "uses"), step.uses)
        earlier = with_outputs(scope, steps[:index], work.catalogue)
        work.parameters((*path, "with"), step.parameters, spec and spec.parameters, earlier)
        if step.undo:
            own = with_outputs(scope, steps[: index + 1], work.catalogue)
            _lint_undo(work, (*path, "undo"), spec, step.undo, own)


def _lint_condition(work: Linting, path: Path, text: str, scope: Scope) -> None:
    try:
        condition = parse_condition(text)
        for piped in references_of(condition):
            work.note_use(piped)
        check_condition(condition, scope)
    except ExpressionInvalidError as error:
        work.misread(path, text, "expression", f"{text!r} is no condition: {error}")
    except UntypableError as error:
        work.misread(path, text, "reference", str(error), error.remedy)


def _lint_undo(work: Linting, path: Path, spec: ActionSpec | None, undo: UndoStep, scope: Scope) -> None:
    if spec and spec.reversibility is not Reversibility.COMPENSABLE and not spec.may_name_undo:
        because = {
            Reversibility.EXACT: "is exact: its snapshot is the way back",
            Reversibility.IRREVERSIBLE: "is irreversible: no call takes it back",
        }[spec.reversibility]
        work.add(path, "undo", f"{spec.name} {because}", "Remove `undo`.")
    way_back = _action(work, (*path, "uses"), undo.uses)
    work.parameters((*path, "with"), undo.parameters, way_back and way_back.parameters, scope)


def _lint_secrets(work: Linting, heading: Heading, sections: Sequence[str]) -> None:
    """Add what is written out here and no plan may show: no run of this playbook would ever be planned."""
    written = work.document.value if isinstance(work.document.value, dict) else {}
    found = [(section, *path) for section in sections for path in secrets_written(written.get(section))]
    if "find" in sections:
        defaults = ((name, one.default) for name, one in heading.inputs.items() if one.default is not None)
        found += [("inputs", name, "default") for name, default in defaults if [*secrets_written({name: default})]]
    for path in found:
        place = ".".join(map(str, path))
        work.add(path, "secret", f"the plan would show a secret: {place}", REMEDY)


def _lint_remedies(work: Linting, playbook: Playbook) -> None:
    stuck = [
        f"{step.id} ({step.uses})"
        for step in playbook.do
        if (spec := work.catalogue.actions.get(step.uses))
        and reversibility_of(spec, step.undo) is Reversibility.IRREVERSIBLE
    ]
    for word in ("on_violated", "on_inconclusive"):
        remedy: Remedy = getattr(playbook, word)
        if remedy is Remedy.ROLL_BACK and stuck:
            message = f"{word} cannot roll back: {', '.join(stuck)} has no way back"
            work.add((word,), "no-way-back", message, "Write `hold`, or give a compensable step its `undo`.")


def _lint_ids(work: Linting, section: str, ids: Sequence[str]) -> None:
    for index, one in enumerate(ids):
        if one in ids[:index]:
            work.add(
                (section, index, "id"), "duplicate-id", f"the id {one!r} stands twice in `{section}`", "Rename one."
            )


def _action(work: Linting, path: Path, name: str) -> ActionSpec | None:
    spec = work.catalogue.actions.get(name)
    if spec is None:
        hint = "It is a probe: move it to `find`." if name in work.catalogue.probes else None
        remedy = hint or did_you_mean(name, work.catalogue.actions)
        work.add(path, "unknown-action", f"there is no action {name!r}", remedy)
    return spec


def _probe(work: Linting, path: Path, name: str) -> ProbeSpec | None:
    spec = work.catalogue.probes.get(name)
    if spec is None:
        hint = "It is an action: move it to `do`." if name in work.catalogue.actions else None
        remedy = hint or did_you_mean(name, work.catalogue.probes)
        work.add(path, "unknown-probe", f"there is no probe {name!r}", remedy)
    return spec
