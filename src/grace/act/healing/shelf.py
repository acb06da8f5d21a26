"""The shelf: knowledge and playbooks as they were when the server started, pinned to the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from grace.act.healing.thinker import Shelf
from grace.kit.documents import Flaw
from grace.model.events import EventType, KnowledgeLoaded, PlaybookLoaded
from grace.model.ledger_entry import Draft
from grace.record import Journal, Transaction
from grace.record.reading import noun_in
from grace.think.knowledge.checked import CheckedPacks
from grace.think.knowledge.loading import Knowledge, check_probes, load_knowledge
from grace.think.playbooks.loading import check_pins, load_playbooks
from grace.think.playbooks.means import Means


class ShelfFlawedError(RuntimeError):
    """Knowledge or playbooks that cannot be used stop the start; the text names each flaw with file and line."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("\n".join(str(flaw) for flaw in flaws))


@dataclass(frozen=True, slots=True)
class RecordedPins:
    """Remembers in the ledger which content a version of a playbook has."""

    journal: Journal

    def pin(self, name: str, version: str, digest: str) -> str:
        """Remember the digest for this version unless one stands; return the one that stands."""

        def unit(tx: Transaction) -> str:
            standing = tx.connection.execute(
                text("SELECT digest FROM playbook_versions WHERE name = :name AND version = :version"),
                {"name": name, "version": version},
            ).scalar_one_or_none()
            if standing is None:
                loaded = PlaybookLoaded(name=name, version=version, digest=digest)
                key = f"playbook/{name}/{version}"
                tx.append(Draft(key=key, type=EventType.PLAYBOOK_LOADED, actor="grace", payload=loaded.to_json()))
            return digest if standing is None else str(standing)

        return self.journal.run(unit)


def record_knowledge(journal: Journal, knowledge: Knowledge) -> KnowledgeLoaded | None:
    """Write down which packs are in force when that differs from what was written last; return what was written."""
    packs = {pack.name: pack.digest for pack in knowledge.packs}

    def unit(tx: Transaction) -> KnowledgeLoaded | None:
        last = tx.connection.execute(
            text(
                'SELECT e."index", p.payload FROM ledger_entries e JOIN ledger_payloads p ON p."index" = e."index"'
                ' WHERE e.type = :type ORDER BY e."index" DESC LIMIT 1'
            ),
            {"type": EventType.KNOWLEDGE_LOADED.value},
        ).first()
        before = {} if last is None else noun_in(last.payload, KnowledgeLoaded).packs
        if before == packs:
            return None
        loaded = KnowledgeLoaded(
            digest=knowledge.digest,
            packs=packs,
            added=tuple(sorted(set(packs) - set(before))),
            changed=tuple(sorted(name for name in set(packs) & set(before) if packs[name] != before[name])),
            removed=tuple(sorted(set(before) - set(packs))),
        )
        key = f"knowledge/{-1 if last is None else last.index}/{knowledge.digest}"
        tx.append(Draft(key=key, type=EventType.KNOWLEDGE_LOADED, actor="grace", payload=loaded.to_json()))
        return loaded

    return journal.run(unit)


def fill_shelf(
    knowledge_folders: Sequence[Path],
    playbook_folders: Sequence[Path],
    means: Means,
    journal: Journal,
    checked: CheckedPacks | None = None,
) -> Shelf:
    """Load knowledge and playbooks and hold every version to its content; raise ShelfFlawedError naming every flaw."""
    knowledge = load_knowledge(knowledge_folders, checked)
    library = load_playbooks(playbook_folders, means.catalogue, knowledge.causes)
    unknown = check_probes(knowledge, means.catalogue.probes)
    flaws = (*knowledge.flaws, *unknown, *library.flaws, *check_pins(library.playbooks, RecordedPins(journal)))
    if flaws:
        raise ShelfFlawedError(flaws)
    record_knowledge(journal, knowledge)
    if checked is not None:
        checked.save()
    return Shelf(knowledge, library, means)
