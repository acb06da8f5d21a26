"""Load knowledge: files into rules, every example held against them, one digest over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from grace.kit.digests import digest_of
from grace.kit.documents import Document, Flaw
from grace.kit.parsing import parse
from grace.kit.yaml import read_yaml
from grace.think.knowledge.format import KnowledgePack, KnowledgeRule, Sample
from grace.think.knowledge.matching import match, scene_of_sample

_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True)
class Knowledge:
    """All rules that are in force, the digest of their content, and the flaws of files that were refused."""

    rules: tuple[KnowledgeRule, ...]
    digest: str
    flaws: tuple[Flaw, ...] = ()

    @cached_property
    def causes(self) -> frozenset[str]:
        """Return every cause that can be found."""
        return frozenset(rule.cause for rule in self.rules)


def load_knowledge(folders: Iterable[Path]) -> Knowledge:
    """Return the knowledge in the folders. A file with a flaw gives no rules, and its flaws are told."""
    rules: list[KnowledgeRule] = []
    flaws: list[Flaw] = []
    content: list[JsonValue] = []
    for path in sorted({path for folder in folders for path in folder.rglob("*") if path.suffix in _SUFFIXES}):
        pack = read_pack(path)
        if isinstance(pack, tuple):
            flaws += pack
            continue
        flaws += _repeated(rules, pack, str(path))
        rules += pack.rules
        content.append(pack.to_json())
    return Knowledge(tuple(rules), digest_of(content), tuple(sorted(flaws)))


def read_pack(path: Path) -> KnowledgePack | tuple[Flaw, ...]:
    """Return the pack in a file, or its flaws."""
    try:
        document = read_yaml(path.read_bytes(), str(path))
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        return (Flaw(str(path), 1, 1, "unreadable", message, "Check the path and its permissions."),)
    if isinstance(document, Flaw):
        return (document,)
    pack = parse(document, KnowledgePack)
    if not isinstance(pack, KnowledgePack):
        return pack
    return tuple(_broken_promises(document, pack)) or pack


def _broken_promises(document: Document, pack: KnowledgePack) -> Iterator[Flaw]:
    seen: set[str] = set()
    for index, rule in enumerate(pack.rules):
        if rule.id in seen:
            message = f"the rule {rule.id!r} stands twice"
            yield document.flaw(("rules", index, "id"), "repeated-rule", message, "Rename one.")
        seen.add(rule.id)
        for kind, samples in (("positive", rule.examples.positive), ("negative", rule.examples.negative)):
            for place, sample in enumerate(samples):
                if (match(rule, scene_of_sample(sample)) is not None) != (kind == "positive"):
                    where = ("rules", index, "examples", kind, place)
                    yield document.flaw(
                        where, "example", _broken(rule, kind, sample), "Mend the signature or the example."
                    )


def _broken(rule: KnowledgeRule, kind: str, sample: str | Sample) -> str:
    shown = sample if isinstance(sample, str) else sample.message or sample.title
    says = "does not find" if kind == "positive" else "wrongly finds"
    return f"the rule {rule.id} {says} {shown!r:.80}"


def _repeated(rules: Iterable[KnowledgeRule], pack: KnowledgePack, file: str) -> list[Flaw]:
    known = {rule.id for rule in rules}
    return [
        Flaw(file, 1, 1, "repeated-rule", f"the rule {rule.id!r} is also in another file", "Rename one.")
        for rule in pack.rules
        if rule.id in known
    ]
