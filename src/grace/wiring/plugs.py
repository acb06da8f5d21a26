"""Plug-ins, ours and theirs: found by entry point, put together with what they may know."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from grace.act.executors import Action
from grace.act.executors.authored import authored
from grace.act.executors.finding import actions_in
from grace.act.executors.workplace import ExecutorFactory, ProcessRules, Workplace
from grace.act.safehold import Provider, Vault
from grace.act.safehold.providers import ProviderFactory, Surroundings
from grace.kit.clock import Clock
from grace.kit.procfs import listening_at
from grace.kit.redaction import redact_text
from grace.kit.sqlite_child import SqliteChild
from grace.settings import command_environment, secret_named


@dataclass(slots=True)
class MadeHere:
    """Which processes GRACE started itself for a drill; nobody makes any before drills are put in."""

    by: Callable[[], frozenset[int]] = frozenset

    def pids(self) -> frozenset[int]:
        return self.by()


def load_actions(
    action_folders: tuple[Path, ...],
    folder: Path,
    clock: Clock,
    vault: Vault,
    child: SqliteChild,
    rules: ProcessRules,
    under_way: Callable[[], Sequence[Mapping[str, JsonValue]]] | None = None,
) -> dict[str, Action]:
    """Return every action, by name: of installed executors, and those written as functions in modules and folders.

    `under_way` reads the handles of runs that are not settled; what executors kept for others is removed.
    Raise ActionsFlawedError where an action that is written as a function cannot be used.
    """
    handles = folder / "handles"
    handles.mkdir(mode=0o700, parents=True, exist_ok=True)
    workplace = Workplace(
        host=socket.gethostname(),
        folder=handles,
        forbidden=(folder,),
        clock=clock,
        redact=redact_text,
        secret=secret_named,
        fetch=vault.get,
        sqlite=child,
        processes=rules,
        environment=command_environment(),
        own_doors=lambda: listening_at(os.getpid()),
        under_way=under_way,
    )
    executors = [cast("ExecutorFactory", factory)(workplace) for factory in _plugs("grace.executors")]
    actions = {name: action for executor in executors for name, action in executor.actions.items()}
    declared = actions_in(action_folders, _plugs("grace.actions"), actions)
    return {**actions, **authored(workplace, declared).actions}


def load_providers(folder: Path, child: SqliteChild) -> dict[str, Provider]:
    """Return every installed snapshot provider, by name."""
    surroundings = Surroundings(forbidden=(folder,), redact=redact_text, sqlite=child)
    providers = [cast("ProviderFactory", factory)(surroundings) for factory in _plugs("grace.providers")]
    return {provider.name: provider for provider in providers}


def installed_playbooks() -> tuple[Path, ...]:
    """Return the folders of playbooks that were installed: packages that the entry points of `grace.playbooks` name."""
    return tuple(Path(str(part)) for package in _plugs("grace.playbooks") for part in vars(package)["__path__"])


def _plugs(group: str) -> list[object]:
    """Load every plug of a group; one that cannot be imported stops the start."""
    points = sorted(entry_points(group=group), key=lambda point: point.name)
    return [point.load() for point in points]
