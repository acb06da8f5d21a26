"""Discovering: look at this machine, read-only, and propose the services file that the loader will take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grace.kit.clock import SystemClock
from grace.kit.documents import Flaw
from grace.model.catalogue import Catalogue
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.declarations import read_services
from grace.sense.discovery.containers import DOCKER_SOCKET
from grace.sense.discovery.findings import Narrowing, Survey
from grace.sense.discovery.processes import Unlisted
from grace.sense.discovery.survey import Ground, survey
from grace.sense.discovery.writing import write_proposal
from grace.settings import Settings

__all__ = ["DOCKER_SOCKET", "Narrowing", "Proposal", "Unlisted", "propose"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found, and the services file that follows from it."""

    found: Survey
    text: str
    """Empty where no service was found."""
    flaws: tuple[Flaw, ...] = ()
    """Why our own loader does not take the text: there should never be any."""


def propose(settings: Settings, file: Path, narrowing: Narrowing, *, docker: Path, asks_pages: bool) -> Proposal:
    """Look at this machine and write nothing; raise Unlisted where it does not show its processes."""
    viewpoint = Viewpoint(SystemClock())
    own = settings.data_folder.resolve()
    found = survey(Ground(docker=docker, own_folder=own, asks_pages=asks_pages), viewpoint, narrowing)
    if not found.services:
        return Proposal(found, "")
    text = write_proposal(found)
    with Eyes(found_collectors(viewpoint)) as eyes:
        known = Catalogue(actions={}, probes=eyes.specs)
    declared = read_services(text, str(file), file.resolve().parent, known, own)
    return Proposal(found, text, declared.flaws)
