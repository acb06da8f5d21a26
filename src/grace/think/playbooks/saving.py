"""Save what was done by hand: its recipe as a playbook that others can use, and a first test of it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from grace.kit.canonical import parse_json
from grace.model.catalogue import Catalogue
from grace.model.cause import NEVER_ACT
from grace.model.noun import Noun
from grace.model.plan import Plan
from grace.model.service import Service
from grace.model.warrant import Refusal
from grace.think.playbooks.by_hand import Recipe, read_recipe
from grace.think.playbooks.format import Playbook
from grace.think.playbooks.loading import LoadedPlaybook

_FIRST_VERSION: Final = "1.0.0"
_PLAIN_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNPRINTED: Final = re.compile(r"[^\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
_TEST_HOST: Final = "test"


class SavedPlaybook(Noun):
    """Two files: the playbook, and the first case of its test."""

    name: str
    playbook: str
    cases: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was done by hand: its plan and recipe, the service, and the labels of its incident."""

    plan: Plan
    recipe: str
    service: Service
    labels: Mapping[str, str]


def save(done: Done, name: str, cause: str, catalogue: Catalogue, causes: Collection[str]) -> SavedPlaybook | Refusal:
    """Return both files, the playbook without a flaw. Written paths become inputs."""
    if cause in NEVER_ACT or cause not in causes:
        known = ", ".join(sorted(set(causes) - NEVER_ACT))
        why = f"a playbook heals one cause, and {cause!r} is none that is ever found"
        return Refusal(rule="unknown-cause", why=why, next=f"Say which with --cause: {known}.")
    made = read_recipe(done.recipe, catalogue)
    if isinstance(made, Refusal):
        return made
    inputs = _inputs(_writes(made), {**done.service.labels, **done.labels}, done.labels)
    wanted = {label: value for label, value in done.labels.items() if _PLAIN_WORD.fullmatch(value)}
    when: Recipe = {"cause": cause, **({"labels": {**wanted}} if wanted else {})}
    written = _document(done.recipe)
    told: Recipe = {
        "format": 1,
        "name": name,
        "version": _FIRST_VERSION,
        "summary": made.playbook.summary.removeprefix("By hand: "),
        "when": when,
        **({"inputs": {key: one for key, (one, _) in inputs.items()}} if inputs else {}),
        "do": _with_inputs(written["do"], {path: key for key, (_, path) in inputs.items()}),
        "contract": written["contract"],
        "on_violated": written["on_violated"],
        "on_inconclusive": written["on_inconclusive"],
    }
    text = as_yaml(told)
    linted = read_recipe(text, catalogue, causes)
    if isinstance(linted, Refusal):
        return linted
    return SavedPlaybook(name=name, playbook=text, cases=as_yaml(_cases(done, name, cause)))


def as_yaml(value: JsonValue, indent: int = 0) -> str:
    """Write a value as YAML in blocks; texts are quoted where they could be read as something else."""
    pad = " " * indent
    match value:
        case dict() if value:
            return "".join(f"{pad}{_scalar(key)}:{_below(item, indent)}" for key, item in value.items())
        case list() if value:
            return "".join(f"{pad}- {_item(item, indent)}" for item in value)
        case _:
            return f"{pad}{_scalar(value)}\n"


def _below(value: JsonValue, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return f"\n{as_yaml(value, indent + 2)}"
    return f" {_scalar(value)}\n"


def _item(value: JsonValue, indent: int) -> str:
    return as_yaml(value, indent + 2).lstrip(" ")


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str) and _PLAIN_KEY.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    # JSON is YAML but for what lies beyond 16 bits and what cannot be printed; YAML has its own escape for these.
    return _UNPRINTED.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\U{ord(found[0]):08x}"


def _document(recipe: str) -> Recipe:
    value = parse_json(recipe)
    if not isinstance(value, dict):
        message = "a recipe is an object"
        raise TypeError(message)
    return value


def _writes(made: LoadedPlaybook) -> list[str]:
    """Return the paths that the command writes."""
    assert isinstance(made.playbook, Playbook), "a recipe is written out whole"  # noqa: S101
    writes = made.playbook.do[0].parameters.get("writes")
    return [str(path) for path in writes] if isinstance(writes, list) else []


def _inputs(
    paths: Sequence[str], known: Mapping[str, str], of_incident: Collection[str]
) -> dict[str, tuple[JsonValue, str]]:
    """Make an input of each written path: from the label that names it, else with the path as its default."""
    found: dict[str, tuple[JsonValue, str]] = {}
    for nth, path in enumerate(paths, start=1):
        name = "file" if len(paths) == 1 else f"file_{nth}"
        label = next((label for label, value in known.items() if value == path and _LABEL.fullmatch(label)), None)
        root = "incident" if label in of_incident else "service"
        source: Recipe = {} if label is None else {"from": f"{root}.labels.{label}"}
        found[name] = ({"type": "path", **source, "default": path}, path)
    return found


def _with_inputs(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    """Put a reference in the place of each word that is just such a path."""
    match value:
        case str():
            return f"${{{{ inputs.{names[value]} }}}}" if value in names else value
        case list():
            return [_with_inputs(item, names) for item in value]
        case dict():
            return {key: _with_inputs(item, names) for key, item in value.items()}
        case _:
            return value


def _cases(done: Done, name: str, cause: str) -> Recipe:
    """Return a test file with one case: what was done by hand is what the playbook would do."""
    steps: list[JsonValue] = [
        {"id": step.id, "uses": step.uses, "with": {"argv": step.parameters["argv"]}} for step in done.plan.steps
    ]
    targets: Recipe = {}
    for step in done.plan.steps:
        files = [target for target in step.targets if target.kind != "command"]
        commands = [target for target in step.targets if target.kind == "command"]
        targets[step.uses] = [f"{one.kind}:{_TEST_HOST}:{one.id}" for one in files or commands]
        if step.undo is not None:
            targets[step.undo.uses] = [f"{one.kind}:{_TEST_HOST}:{one.id}" for one in commands]
    declared = done.service.model_dump(
        mode="json",
        by_alias=True,
        include={"name", "environment", "labels", "indicators", "benchmarks", "targets"},
    )
    case: Recipe = {
        "name": "does what was done by hand",
        "incident": {"labels": {**done.labels}},
        "cause": cause,
        "targets": targets,
        "expect": {"steps": steps, "reversibility": done.plan.reversibility.value},
    }
    return {"format": 1, "playbook": f"{name}.yaml", "service": declared, "cases": [case]}
