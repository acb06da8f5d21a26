"""Where what people write lies: what ships, what was added to it, and the ground of drills."""

from __future__ import annotations

from pathlib import Path

from grace.act.executors.drill_ground import DrillGround
from grace.govern.policy.live import PolicySource
from grace.model.catalogue import Catalogue
from grace.settings import Settings
from grace.shipped import ShippedName, shipped_folder


def drill_ground(settings: Settings) -> DrillGround:
    """Return what GRACE made for drills, beside the processes that it starts."""
    return DrillGround(settings.drill_grounds, (shipped_folder("examples"),))


def policy_source(settings: Settings, catalogue: Catalogue) -> PolicySource:
    """Return where the rules come from: the folders that were named instead of what ships, for a rule can forbid."""
    shipped = shipped_folder("policies")
    return PolicySource(
        folders=settings.policy_folders or (shipped,),
        schema=shipped / "grace.cedarschema",
        known_deeds=frozenset(catalogue.actions),
        drill_folders=tuple(str(folder) for folder in settings.drill_grounds),
    )


def folders_of(given: tuple[Path, ...], shipped: ShippedName) -> tuple[Path, ...]:
    """Return what ships and what was added to it."""
    return (shipped_folder(shipped), *given)
