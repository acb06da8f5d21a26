"""What a person who writes playbooks needs, without a server and without a data folder: names, causes, rulings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from grace.act.executors.workplace import ProcessRules
from grace.act.safehold.vault import open_vault
from grace.govern.policy import Question
from grace.kit.clock import Clock, SystemClock
from grace.kit.documents import Flaw, did_you_mean
from grace.kit.sqlite_child import Role, SqliteChild
from grace.model.catalogue import Catalogue
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan
from grace.model.service import Service
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.settings import Settings
from grace.think.knowledge.loading import knowledge_files, load_knowledge, read_pack
from grace.think.knowledge.schema import knowledge_schema as schema_of_packs
from grace.think.playbooks.loading import load_playbooks
from grace.think.sentinel.looking_back import LookingBack
from grace.wiring.plugs import load_actions
from grace.wiring.sources import folders_of, policy_source

_AUTHOR = "grace playbook test"


def catalogue(settings: Settings) -> Catalogue:
    """Return every installed action and probe; nothing is started and nothing stays behind."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="grace-") as made, Eyes(found_collectors(Viewpoint(clock))) as eyes:
        folder = Path(made)
        vault = open_vault(folder / "vault", folder / "vault.key")
        with SqliteChild(Role.WRITER) as child:
            actions = load_actions(settings.action_folders, folder, clock, vault, child, ProcessRules())
            return Catalogue(actions={name: action.spec for name, action in actions.items()}, probes=eyes.specs)


def known_causes(settings: Settings) -> Collection[str]:
    """Return every cause that the knowledge can find."""
    return load_knowledge(folders_of(settings.knowledge_folders, "knowledge")).causes


def knowledge_schema(settings: Settings) -> dict[str, JsonValue]:
    """Return the JSON Schema of knowledge packs with the names of the installed probes."""
    return schema_of_packs(catalogue(settings).probes)


@dataclass(frozen=True, slots=True)
class KnowledgeReport:
    """What a look at knowledge files found: how many entries and examples hold, and every flaw with its place."""

    files: tuple[str, ...]
    entries: int
    examples: int
    flaws: tuple[Flaw, ...]


def check_knowledge(settings: Settings, paths: Sequence[Path]) -> KnowledgeReport:
    """Read the files anew, hold every example against its entry and every check against the installed probes."""
    files = [one for path in paths or folders_of(settings.knowledge_folders, "knowledge") for one in _files_at(path)]
    packs = [(file, read_pack(file)) for file in files]
    probes = catalogue(settings).probes
    flaws = [flaw for _, pack in packs if isinstance(pack, tuple) for flaw in pack]
    rules = [(file, rule) for file, pack in packs if not isinstance(pack, tuple) for rule in pack.rules]
    for file, rule in rules:
        for name in sorted({check.probe for check in rule.looks} - set(probes)):
            message = f"the entry {rule.id} asks {name!r}, and there is no such probe"
            flaws.append(Flaw(str(file), 1, 1, "unknown-probe", message, did_you_mean(name, probes)))
    examples = sum(len(rule.examples.positive) + len(rule.examples.negative) for _, rule in rules)
    return KnowledgeReport(tuple(map(str, files)), len(rules), examples, tuple(sorted(flaws)))


def _files_at(path: Path) -> list[Path]:
    return knowledge_files([path]) if path.is_dir() else [path]


def looking_back(settings: Settings) -> LookingBack | tuple[Flaw, ...]:
    """Return what reads old logs, with the knowledge and playbooks that are in use; or their flaws."""
    knowledge = load_knowledge(folders_of(settings.knowledge_folders, "knowledge"))
    if knowledge.flaws:
        return knowledge.flaws
    library = load_playbooks(folders_of(settings.playbook_folders, "playbooks"), catalogue(settings), knowledge.causes)
    if library.flaws:
        return library.flaws
    return LookingBack(knowledge, [(one.playbook.name, one.playbook.when) for one in library.playbooks])


def decider(settings: Settings, known: Catalogue, clock: Clock) -> Callable[[Plan, Service, Diagnosis], Decision]:
    """Return the policy as a server of these settings would apply it; raise PolicyInvalidError."""
    policy = policy_source(settings, known).read()

    def decide(plan: Plan, service: Service, diagnosis: Diagnosis) -> Decision:
        return policy.decide(Question(plan, service, diagnosis, _AUTHOR, clock.now()))

    return decide
