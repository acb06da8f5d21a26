"""Ask a Python playbook for its draft, and make of it a playbook as YAML would have held it: the same lint, no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from pydantic import JsonValue

from grace.kit.documents import Document, Flaw, Mark, Path
from grace.kit.parsing import parse
from grace.model.catalogue import Catalogue
from grace.think.playbooks.evaluation import Values
from grace.think.playbooks.format import Playbook
from grace.think.playbooks.lint import lint
from grace.think.playbooks.python.asking import Told, Untold, ask
from grace.think.playbooks.python.reading import PythonPlaybook, flaw_of
from grace.think.playbooks.refusing import RefusedError, Rule, refused

_MOST_FLAWS_TOLD: Final = 3
_OF_YAML_ALONE: Final = frozenset({"unused-input"})
"""An input may be used by the function alone, which lint does not see; it was checked when the file was loaded."""


def drafted(python: PythonPlaybook, values: Values, catalogue: Catalogue) -> Playbook:
    """Return the heading with what the function drafts for these values; raise RefusedError."""
    told = ask(python.source, {name: values[name] for name in python.source.reads})
    if isinstance(told, Untold):
        flaw = flaw_of(python.source, told)
        raise refused(Rule(told.rule), f"{flaw.file}:{flaw.line}: {flaw.message}", flaw.next)
    if isinstance(why := told.answer.get("nothing"), str):
        raise refused(Rule.NOTHING_TO_DO, why)
    document = _whole(python, told)
    playbook = parse(document, Playbook)
    if not isinstance(playbook, Playbook):
        raise _flawed(playbook)
    flaws = [flaw for flaw in lint(playbook, document, catalogue) if flaw.rule not in _OF_YAML_ALONE]
    if flaws:
        raise _flawed(flaws)
    return playbook


def _whole(python: PythonPlaybook, told: Told) -> Document:
    draft = cast("Mapping[str, JsonValue]", told.answer["draft"])
    heading = cast("Mapping[str, JsonValue]", python.document.value)
    marks: dict[Path, Mark] = {**python.document.marks}
    for path, line in told.lines.items():
        for end in range(1, len(path)):
            marks.setdefault(path[:end], Mark(line))
        marks[path] = Mark(line)
    return Document(python.document.file, {**heading, **draft}, marks)


def _flawed(flaws: tuple[Flaw, ...] | list[Flaw]) -> RefusedError:
    return refused(Rule.DRAFT_FLAW, "; ".join(map(str, flaws[:_MOST_FLAWS_TOLD])), flaws[0].next)
