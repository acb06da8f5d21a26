"""Load a playbook in Python: lint the source, have it declare itself, lint the heading and what the function names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from grace.kit.documents import Document, Flaw, Mark, Path
from grace.kit.parsing import parse
from grace.model.catalogue import Catalogue
from grace.think.playbooks.format import Heading
from grace.think.playbooks.lint import lint_heading
from grace.think.playbooks.linting import Linting
from grace.think.playbooks.python.asking import Untold, ask
from grace.think.playbooks.python.references import lint_function
from grace.think.playbooks.python.source import Source, read_source

_SAY_WHAT_IT_DOES: Final = 'Write a docstring, or give summary="...".'


@dataclass(frozen=True, slots=True)
class PythonPlaybook:
    """A playbook without flaws whose draft is still to be asked for: its heading, as a value and as written."""

    heading: Heading
    document: Document
    source: Source


def read_python(
    content: bytes, file: str, catalogue: Catalogue, causes: Collection[str] | None = None
) -> PythonPlaybook | tuple[Flaw, ...]:
    """Return the playbook in a Python file, or its flaws. It is never imported, and called in a process of its own."""
    source = read_source(content, file)
    if not isinstance(source, Source):
        return source
    told = ask(source, None)
    if isinstance(told, Untold):
        return (flaw_of(source, told),)
    document = _heading_document(source, cast("Mapping[str, JsonValue]", told.answer["heading"]), told.lines)
    if cast("Mapping[str, JsonValue]", document.value)["summary"] == "":
        return (document.flaw(("summary",), "missing-key", "the playbook has no summary", _SAY_WHAT_IT_DOES),)
    heading = parse(document, Heading)
    if not isinstance(heading, Heading):
        return heading
    flaws = tuple(sorted(set(_flaws(heading, document, source, catalogue, causes))))
    return flaws or PythonPlaybook(heading, document, source)


def flaw_of(source: Source, untold: Untold) -> Flaw:
    """Say why the file gave no answer, at the line where it happened, else at the function."""
    line = untold.line or source.function.lineno
    return source.flaw(line, untold.rule, f"{source.function.name}: {untold.why}", untold.remedy)


def _heading_document(source: Source, heading: Mapping[str, JsonValue], lines: Mapping[Path, int]) -> Document:
    found = [path for path in lines if path[:1] == ("find",)]
    marks = {path: mark for path, mark in source.marks.items() if path[:1] != ("find",)}
    marks |= {("find",): source.marks.get(("find",), Mark(source.function.lineno))} if found else {}
    marks |= {path: Mark(lines[path]) for path in found}
    return Document(source.file, dict(heading), marks)


def _flaws(
    heading: Heading, document: Document, source: Source, catalogue: Catalogue, causes: Collection[str] | None
) -> Iterator[Flaw]:
    work = Linting(document, catalogue)
    scope = lint_heading(work, heading, causes)
    yield from work.flaws
    yield from lint_function(source, scope, catalogue)
    if "inputs" not in source.reads:
        for name in sorted(set(heading.inputs) - work.used_inputs):
            message = f"the input {name!r} is never used"
            remedy = "Take `inputs` in the function, refer to it in `find`, or remove it."
            yield document.flaw(("inputs", name), "unused-input", message, remedy)
