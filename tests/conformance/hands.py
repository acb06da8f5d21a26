"""Every action and provider that is installed, found as the server finds them."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from grace.act.executors import Action
from grace.act.executors.authored import authored
from grace.act.executors.finding import actions_in
from grace.act.executors.workplace import ProcessRules
from grace.act.safehold import Provider
from grace.authoring.action import DeclaredAction
from grace.shipped import shipped_folder
from tests.act.workbench import Bench

RULES = ProcessRules(allow_as_root=True)


@lru_cache(maxsize=8)
def factories(group: str) -> dict[str, Any]:
    """Return what is installed in a group; looked up once, because it reads the description of every distribution."""
    return {point.name: point.load() for point in entry_points(group=group)}


def installed_actions(bench: Bench) -> dict[str, Action]:
    """Return every action that an entry point names, by name."""
    executors = {kind: build(bench.workplace) for kind, build in factories("grace.executors").items()}
    for kind, executor in executors.items():
        assert all(name.startswith(f"{kind}.") for name in executor.actions), kind
    return {name: action for executor in executors.values() for name, action in executor.actions.items()}


def found_actions(bench: Bench) -> dict[str, Action]:
    """Return every action by name, those that are written as functions in the examples among them."""
    installed = installed_actions(bench)
    return {**installed, **authored(bench.workplace, written_as_functions()).actions}


@lru_cache(maxsize=1)
def written_as_functions() -> tuple[DeclaredAction, ...]:
    """Return the actions of the examples; read once."""
    return actions_in([shipped_folder("examples") / "actions"], (), ())


def found_providers(bench: Bench) -> dict[str, Provider]:
    """Return every provider by name."""
    providers = [build(bench.surroundings) for build in factories("grace.providers").values()]
    return {provider.name: provider for provider in providers}
