"""Rules: Cedar files read once, checked, and taken apart so far that each rule can be named, placed and narrowed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import cedarpy
from pydantic import JsonValue

from grace.govern.policy.naming import (
    as_list,
    as_record,
    as_text,
    entity_ids,
    first_deed,
    named_service,
    names_irreversible,
)
from grace.kit.digests import digest_of
from grace.kit.filesystem.plain import read_plain
from grace.model.decision import Ruling

PERMITTING: Final = (Ruling.ACT_ALONE, Ruling.ACT_WITH_APPROVAL, Ruling.ACT_WITH_QUORUM)
SMALLEST_QUORUM: Final = 2
POLICY_SUFFIX: Final = ".cedar"
_TOKEN: Final = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|[^;"/]+|/', re.DOTALL)
_POSITION: Final = re.compile(r"^(?:\[policy\d+\] )?(?:for policy `policy\d+`, )?")
_COMMENT: Final = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*', re.DOTALL)


class PolicyInvalidError(ValueError):
    """Policy files that cannot be used; `problems` says where and what, one sentence each."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Effect(StrEnum):
    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Rule:
    """One Cedar policy with what its text says without being evaluated."""

    id: str
    effect: Effect
    reason: str
    quorum: int
    where: str
    """`file:line` of its first word."""
    rulings: frozenset[Ruling]
    """The tiers its scope mentions."""
    service: str | None
    """The one service that its scope names; None when it may concern any."""
    deed: str | None
    """The one deed that its first claim names; None when it may concern any."""
    names_irreversible: bool
    """Whether it names action, service and bounds, as a permit for an irreversible deed must."""
    tree: str
    """The policy as Cedar JSON."""

    def concerns(self, ruling: Ruling, service: str | None, deed: str | None) -> bool:
        """Tell whether its scope and first claim can match at all; a rule that cannot is not evaluated."""
        return ruling in self.rulings and self.service in {None, service} and self.deed in {None, deed}


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule and the schema they were checked against."""

    rules: tuple[Rule, ...]
    schema: str
    digest: str

    def named(self, rule_id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def read_rules(folders: Collection[Path], schema: Path, known_deeds: Collection[str]) -> RuleSet:
    """Read every `*.cedar` of the folders and check it against the schema; raise PolicyInvalidError."""
    files = [path for folder in folders for path in _files(folder)]
    seen: set[str] = set()
    for path in files:
        if path.name in seen:
            raise PolicyInvalidError([f"{path}: another file is called {path.name} too; rename one"])
        seen.add(path.name)
    return make_rules({path.name: _text(path) for path in files}, _text(schema), known_deeds)


def make_rules(texts: Mapping[str, str], schema: str, known_deeds: Collection[str]) -> RuleSet:
    """Check policy texts by file name against schema and catalogue; raise PolicyInvalidError with every problem."""
    checked = _checked_schema(schema)
    rules: list[Rule] = []
    problems: list[str] = []
    for name, text in sorted(texts.items()):
        for where, statement in _statements(name, text):
            try:
                rules.append(_rule(where, statement, checked, known_deeds))
            except PolicyInvalidError as error:
                problems.extend(error.problems)
    problems.extend(_repeated(rules))
    if problems:
        raise PolicyInvalidError(problems)
    return RuleSet(tuple(rules), schema, digest_of({"schema": schema, "policies": dict(texts)}))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PolicyInvalidError([f"{folder}: there is no such folder; name another with GRACE_POLICY_FOLDERS"])
    # A link that leads nowhere is no reason to pass over a file: it may have held a forbid.
    return sorted(path for path in folder.iterdir() if path.suffix == POLICY_SUFFIX)


def _text(path: Path) -> str:
    try:
        return read_plain(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyInvalidError([f"{path}: cannot be read: it is not UTF-8"]) from error
    except OSError as error:
        raise PolicyInvalidError([f"{path}: cannot be read: {error.strerror}"]) from error


def _checked_schema(schema: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(schema)
    except ValueError as error:
        raise PolicyInvalidError([f"the schema is not a Cedar schema: {error}"]) from error


def _statements(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Cut a file at each `;`, so that a mistake has a line and spoils no other rule's message."""
    begin = position = 0
    for token in _TOKEN.finditer(text):
        position = token.end()
        if token[0] == ";":
            yield _place(name, text, begin), text[begin:position]
            begin = position
    rest = text[begin:]
    if _COMMENT.sub(r"\1", rest).strip():
        yield _place(name, text, begin), rest


def _place(name: str, text: str, begin: int) -> str:
    blank = re.compile(r"(?:\s|//[^\n]*)*").match(text, begin)
    first = blank.end() if blank else begin
    return f"{name}:{text.count(chr(10), 0, first) + 1}"


def _rule(where: str, statement: str, schema: cedarpy.Schema, known_deeds: Collection[str]) -> Rule:
    tree = _parsed(where, statement)
    problems = [f"{where}: {error}" for error in _schema_errors(statement, schema)]
    annotations = as_record(tree.get("annotations"))
    rule_id = as_text(annotations.get("id"))
    if not rule_id:
        problems.append(f'{where}: the rule has no name; write @id("what-it-allows") above it')
    strange = sorted(set(entity_ids(tree, "Deed")) - set(known_deeds))
    problems.extend(f"{where}: no action is called {deed!r}; `grace playbook schema` lists them" for deed in strange)
    kinds = {deed.partition(".")[0] for deed in known_deeds}
    problems.extend(
        f"{where}: no action begins with {kind!r}" for kind in sorted(set(entity_ids(tree, "Kind")) - kinds)
    )
    effect = Effect(as_text(tree.get("effect")))
    rulings = _rulings(as_record(tree.get("action")))
    quorum = _quorum(where, annotations, effect, rulings, problems)
    if problems:
        raise PolicyInvalidError(problems)
    return Rule(
        id=rule_id,
        effect=effect,
        reason=as_text(annotations.get("reason")),
        quorum=quorum,
        where=where,
        rulings=rulings,
        service=named_service(tree),
        deed=first_deed(tree),
        names_irreversible=names_irreversible(tree),
        tree=json.dumps(tree),
    )


def _parsed(where: str, statement: str) -> dict[str, JsonValue]:
    try:
        document = as_record(json.loads(cedarpy.policies_to_json_str(statement)))
    except ValueError as error:
        raise PolicyInvalidError([f"{where}: not Cedar: {error}"]) from error
    if as_record(document.get("templates")):
        raise PolicyInvalidError([f"{where}: templates (?principal, ?resource) are not supported; write the rule out"])
    match list(as_record(document.get("staticPolicies")).values()):
        case [dict() as tree]:
            return tree
        case _:
            raise PolicyInvalidError([f"{where}: expected one policy that ends with ';'"])


def _schema_errors(statement: str, schema: cedarpy.Schema) -> list[str]:
    checked = cedarpy.validate_policies(statement, schema)  # pyright: ignore[reportUnknownMemberType] - bare dict
    return sorted({_POSITION.sub("", error.error) for error in checked.errors})


def _quorum(
    where: str,
    annotations: Mapping[str, JsonValue],
    effect: Effect,
    rulings: frozenset[Ruling],
    problems: list[str],
) -> int:
    asks_many = effect is Effect.PERMIT and Ruling.ACT_WITH_QUORUM in rulings
    if "quorum" not in annotations:
        return SMALLEST_QUORUM if asks_many else 0
    written = as_text(annotations["quorum"])
    if not asks_many:
        problems.append(f"{where}: @quorum stands only above a permit for act_with_quorum")
    elif not written.isascii() or not written.isdigit() or int(written) < SMALLEST_QUORUM:
        problems.append(f'{where}: @quorum("{written}") is not a number of people; {SMALLEST_QUORUM} is the fewest')
    else:
        return int(written)
    return 0


def _repeated(rules: Collection[Rule]) -> Iterator[str]:
    first: dict[str, str] = {}
    for rule in rules:
        if rule.id in first:
            yield f"{rule.where}: the name {rule.id!r} is taken by the rule at {first[rule.id]}"
        first.setdefault(rule.id, rule.where)


def _rulings(scope: Mapping[str, JsonValue]) -> frozenset[Ruling]:
    if scope.get("op") == "All":
        return frozenset(PERMITTING)
    named = {as_text(as_record(item).get("id")) for item in (scope.get("entity"), *as_list(scope.get("entities")))}
    return frozenset(ruling for ruling in PERMITTING if ruling.value in named)
