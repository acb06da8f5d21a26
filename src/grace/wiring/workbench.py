"""What a person who writes playbooks needs, without a server and without a data folder: names, causes, rulings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from grace.act.executors.workplace import ProcessRules
from grace.act.safehold.vault import open_vault
from grace.govern.policy import Question
from grace.kit.clock import Clock, SystemClock
from grace.kit.sqlite_child import Role, SqliteChild
from grace.model.catalogue import Catalogue
from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan
from grace.model.service import Service
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.settings import Settings
from grace.think.knowledge.loading import load_knowledge
from grace.wiring.house import folders_of, policy_source
from grace.wiring.plugs import load_actions

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


def decider(settings: Settings, known: Catalogue, clock: Clock) -> Callable[[Plan, Service, Diagnosis], Decision]:
    """Return the policy as a server of these settings would apply it; raise PolicyInvalidError."""
    policy = policy_source(settings, known).read()

    def decide(plan: Plan, service: Service, diagnosis: Diagnosis) -> Decision:
        return policy.decide(Question(plan, service, diagnosis, _AUTHOR, clock.now()))

    return decide
