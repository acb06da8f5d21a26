"""The directory: the declared services, by name and environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.kit.documents import Flaw
from grace.model.catalogue import Catalogue
from grace.model.service import Service
from grace.sense.declarations import load_services


class ServicesFlawedError(RuntimeError):
    """A `grace.yaml` that cannot be used stops the start; the text names each flaw with file and line."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("\n".join(str(flaw) for flaw in flaws))


class Directory:
    """Answers who is declared. Read it once before use; without a file nobody is, and nothing is acted upon."""

    def __init__(self) -> None:
        self._services: tuple[Service, ...] = ()

    def read(self, file: Path, catalogue: Catalogue, own: Path | None = None) -> None:
        """Take the services of a file; raise ServicesFlawedError naming every flaw. An absent file declares nobody.

        Nothing inside `own`, GRACE's own folder, may be a target.
        """
        if not file.exists():
            return
        self._services = read_declared(file, catalogue, own)

    def declare(self, service: Service) -> None:
        """Add a service that GRACE made itself, or replace the one of the same name and environment."""
        same = (service.name, service.environment)
        self._services = (*(one for one in self._services if (one.name, one.environment) != same), service)

    @property
    def services(self) -> tuple[Service, ...]:
        """Return every declared service."""
        return self._services

    def service(self, name: str, environment: str) -> Service | None:
        """Return the service as declared."""
        return next((one for one in self._services if (one.name, one.environment) == (name, environment)), None)

    def named(self, name: str) -> Service | None:
        """Return the first service of this name, in whatever environment."""
        return next((one for one in self._services if one.name == name), None)

    def main_pids(self) -> frozenset[int]:
        """Read the pid files now: the main processes of the services, which no playbook ends."""
        found = (_pid_in(Path(one.pid_file)) for one in self._services if one.pid_file)
        return frozenset(pid for pid in found if pid is not None)


def read_declared(file: Path, catalogue: Catalogue, own: Path | None = None) -> tuple[Service, ...]:
    """Return the services of a file; raise ServicesFlawedError naming every flaw."""
    declared = load_services(file, catalogue, own)
    if declared.flaws:
        raise ServicesFlawedError(declared.flaws)
    return declared.services


def _pid_in(file: Path) -> int | None:
    try:
        written = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(written) if written.isascii() and written.isdigit() else None
