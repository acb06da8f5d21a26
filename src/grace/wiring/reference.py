"""The reference desk: lists the knowledge, answers questions in words from it, and tries it on a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grace.api.house import KnowledgeCard, PackCard, Passage, Tried
from grace.kit.clock import Clock, SystemClock
from grace.model.cause import NEVER_ACT, kind_of
from grace.think.knowledge.format import KnowledgeRule
from grace.think.knowledge.loading import Knowledge
from grace.think.knowledge.matching import match, scene_of_sample
from grace.think.sentinel.diagnosing import judged, weigh_all


@dataclass(frozen=True)
class ReferenceDesk:
    """Tells what the knowledge of this server says; changes nothing."""

    knowledge: Knowledge
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state

    def search(self, question: str, limit: int) -> Sequence[Passage]:
        """Return the entries that speak of a question, best first; none where nothing does."""
        return [self._passage(found.rule) for found in self.knowledge.index.search(question, limit)]

    def packs(self) -> Sequence[PackCard]:
        return [
            PackCard(
                name=pack.name,
                version=pack.version,
                digest=pack.digest,
                summary=pack.summary,
                entries=len(pack.entries),
            )
            for pack in self.knowledge.packs
        ]

    def cards(self) -> Sequence[KnowledgeCard]:
        return [
            KnowledgeCard(
                id=rule.id,
                pack=self.knowledge.pack_of(rule.id),
                cause=rule.cause,
                kind=kind_of(rule.cause),
                title=rule.title,
                versions=rule.versions,
                source=rule.citation,
            )
            for rule in self.knowledge.rules
        ]

    def entry(self, entry_id: str) -> KnowledgeRule | None:
        return next((rule for rule in self.knowledge.rules if rule.id == entry_id), None)

    def try_out(self, message: str) -> Tried:
        """Say what the diagnosis of an incident with this one message would be, from the text only."""
        scene = scene_of_sample(message)
        found = judged("", weigh_all([scene], self.knowledge), self.knowledge.digest, self.clock.now())
        cited = dict.fromkeys(one.rule for one in found.evidence)
        rules = [rule for rule_id in cited if (rule := self.entry(rule_id))]
        labels = {name: value for rule in rules if (met := match(rule, scene)) for name, value in met.labels.items()}
        return Tried(
            cause=found.cause,
            kind=kind_of(found.cause),
            confidence=found.confidence,
            never_acts=found.cause in NEVER_ACT,
            evidence=found.evidence,
            alternatives=found.alternatives,
            labels=labels,
            advice=tuple(rule.advice for rule in rules if rule.advice),
            playbooks=tuple(dict.fromkeys(name for rule in rules for name in rule.playbooks)),
        )

    def _passage(self, rule: KnowledgeRule) -> Passage:
        return Passage(
            pack=self.knowledge.pack_of(rule.id),
            entry=rule.id,
            title=rule.title,
            cause=rule.cause,
            advice=tuple(one for one in (rule.advice, *rule.questions) if one),
            playbooks=rule.playbooks,
            source=rule.citation,
        )
