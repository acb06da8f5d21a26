"""Every action and provider that is installed, found as the server finds them."""

from __future__ import annotations

from importlib.metadata import entry_points

from grace.act.executors import Action
from grace.act.executors.workplace import ProcessRules
from grace.act.safehold import Provider
from tests.act.workbench import Bench

RULES = ProcessRules(allow_as_root=True)


def found_actions(bench: Bench) -> dict[str, Action]:
    """Return every action by name."""
    executors = {point.name: point.load()(bench.workplace) for point in entry_points(group="grace.executors")}
    for kind, executor in executors.items():
        assert all(name.startswith(f"{kind}.") for name in executor.actions), kind
    return {name: action for executor in executors.values() for name, action in executor.actions.items()}


def found_providers(bench: Bench) -> dict[str, Provider]:
    """Return every provider by name."""
    providers = [point.load()(bench.surroundings) for point in entry_points(group="grace.providers")]
    return {provider.name: provider for provider in providers}
