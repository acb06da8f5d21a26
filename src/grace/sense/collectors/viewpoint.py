"""What collectors are given when GRACE is put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from grace.kit.clock import Clock
from grace.kit.secret_references import Resolve
from grace.sense.collectors import Collector


def _names_nothing(_reference: str) -> None:
    """Resolve no reference."""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """The eyes' surroundings. Everything that a collector may know beside the parameters of its probes."""

    clock: Clock
    secret: Resolve = _names_nothing
    """Resolves a reference such as `env:TOKEN` or `file:/run/secrets/token`; None when it names nothing."""


CollectorFactory: TypeAlias = Callable[[Viewpoint], Collector]
