"""Origin: what all signals of one process have in common."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from grace_sdk.sighting import Plain


class Origin(NamedTuple):
    """Where signals come from."""

    service: str
    environment: str
    session: str
    labels: dict[str, str]
    runtime: dict[str, Plain]


def runtime_facts() -> dict[str, Plain]:
    return {"python": sys.version.partition(" ")[0], "pid": os.getpid(), "host": os.uname().nodename}
