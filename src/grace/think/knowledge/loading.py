"""Load knowledge: files into rules, every example held against them, one digest over all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from grace.kit.digests import digest_of
from grace.kit.documents import Document, Flaw, did_you_mean
from grace.kit.filesystem.plain import read_plain
from grace.kit.parsing import parse
from grace.kit.yaml import read_yaml
from grace.model.cause import CAUSES
from grace.think.knowledge.checked import CheckedPacks
from grace.think.knowledge.format import Heard, KnowledgePack, KnowledgeRule, Sample
from grace.think.knowledge.matching import match, scene_of_sample
from grace.think.knowledge.searching import Index
from grace.think.knowledge.shortlisting import Shortlist
from grace.think.knowledge.wording import wording_of
from grace.think.knowledge.words import WordModel, fit

_SUFFIXES: Final = (".yaml", ".yml")
_REMEMBERED: Final = 32
"""Of how many files a process remembers what they say."""


@dataclass(frozen=True, slots=True)
class LoadedPack:
    """A pack that is in force: its version, the digest of its content, and the entries in it."""

    name: str
    version: str
    summary: str
    digest: str
    entries: tuple[str, ...]
    file: str = ""


@dataclass(frozen=True)
class Knowledge:
    """All rules that are in force, the digest of their content, and the flaws of files that were refused."""

    rules: tuple[KnowledgeRule, ...]
    digest: str
    flaws: tuple[Flaw, ...] = ()
    heard: tuple[Heard, ...] = ()
    packs: tuple[LoadedPack, ...] = ()

    def pack_of(self, entry: str) -> str:
        """Return the pack that an entry is in; empty for one that no pack holds."""
        return next((pack.name for pack in self.packs if entry in pack.entries), "")

    def file_of(self, entry: str) -> str:
        """Return the file that an entry was read from."""
        return next((pack.file for pack in self.packs if entry in pack.entries), "")

    @cached_property
    def index(self) -> Index:
        """Return what searches are answered from."""
        return Index(self.rules)

    @cached_property
    def shortlist(self) -> Shortlist:
        """Return the rules filed by the words that they ask for."""
        return Shortlist.of(self.rules)

    @cached_property
    def by_id(self) -> Mapping[str, KnowledgeRule]:
        """Return the rules by their ids."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def causes(self) -> frozenset[str]:
        """Return every cause that can be found, and the broader ones that a playbook may name."""
        found = frozenset(rule.cause for rule in self.rules)
        return found | {broader for one in found & set(CAUSES) if (broader := CAUSES[one].broader)}

    @cached_property
    def words(self) -> WordModel:
        """Return the model of words, fitted to every example when it is first asked for."""
        return _fitted(tuple(self.samples()))

    def samples(self) -> Iterator[tuple[str, str]]:
        """Yield every message of which the cause is known."""
        for rule in self.rules:
            for sample in rule.examples.positive:
                yield rule.cause, sample if isinstance(sample, str) else sample.text
        for heard in self.heard:
            for text in heard.messages:
                yield heard.cause, text


def load_knowledge(folders: Iterable[Path], checked: CheckedPacks | None = None) -> Knowledge:
    """Return the knowledge in the folders. A file with a flaw gives no rules, and its flaws are told.

    What `checked` holds of a file is taken as it is; what it does not hold yet is given to it.
    """
    rules: list[KnowledgeRule] = []
    flaws: list[Flaw] = []
    content: list[JsonValue] = []
    heard: list[Heard] = []
    packs: list[LoadedPack] = []
    for path in knowledge_files(folders):
        pack = read_pack(path, checked)
        if isinstance(pack, tuple):
            flaws += pack
            continue
        flaws += _repeated(rules, pack, str(path))
        rules += pack.rules
        heard += pack.heard
        packs.append(_loaded(pack, str(path)))
        content.append(pack.to_json())
    return Knowledge(tuple(rules), digest_of(content), tuple(sorted(flaws)), tuple(heard), tuple(packs))


@lru_cache(maxsize=2)
def _fitted(samples: tuple[tuple[str, str], ...]) -> WordModel:
    """Return the model of words of these messages; that of the knowledge before is remembered, should it come back."""
    return fit((cause, wording_of(text)) for cause, text in samples)


def _loaded(pack: KnowledgePack, file: str) -> LoadedPack:
    entries = tuple(rule.id for rule in pack.rules)
    return LoadedPack(pack.pack, pack.version, pack.summary, digest_of(pack.to_json()), entries, file)


def check_probes(knowledge: Knowledge, probes: Collection[str]) -> tuple[Flaw, ...]:
    """Return a flaw for every check that asks a probe which is not there."""
    return tuple(
        Flaw(
            knowledge.file_of(rule.id),
            1,
            1,
            "unknown-probe",
            f"the entry {rule.id} asks {check.probe!r}, and there is no such probe",
            did_you_mean(check.probe, probes),
        )
        for rule in knowledge.rules
        for check in rule.looks
        if check.probe not in probes
    )


def knowledge_files(folders: Iterable[Path]) -> list[Path]:
    """Return the knowledge files below the folders, in the order in which they are read."""
    return sorted({path for folder in folders for path in folder.rglob("*") if path.suffix in _SUFFIXES})


def read_pack(path: Path, checked: CheckedPacks | None = None) -> KnowledgePack | tuple[Flaw, ...]:
    """Return the pack in a file, or its flaws."""
    known = checked or CheckedPacks()
    try:
        content = read_plain(path)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        return (Flaw(str(path), 1, 1, "unreadable", message, "Check the path and its permissions."),)
    pack = known.pack(content) or _parsed_pack(content, str(path))
    if isinstance(pack, KnowledgePack):
        known.keep(content, pack)
    return pack


@lru_cache(maxsize=_REMEMBERED)
def _parsed_pack(content: bytes, file: str) -> KnowledgePack | tuple[Flaw, ...]:
    """Return the pack of a file of this content, or its flaws; a second asking within one process costs nothing."""
    document = read_yaml(content, file)
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
