"""What tests of executors and providers work with: real files, a real vault, a journal that remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from grace.act.executors import Action, Executor
from grace.act.executors.workplace import ProcessRules, Workplace
from grace.act.healing.undoing import change_of
from grace.act.safehold.providers import Surroundings
from grace.act.safehold.vault import FolderVault, open_vault
from grace.kit.clock import Clock, SystemClock
from grace.kit.procfs import Endpoint
from grace.kit.redaction import redact_text
from grace.kit.sqlite_child import Role, SqliteChild
from grace.model.execution import Outcome
from grace.model.snapshot import SnapshotObject
from grace.model.target import Target

HOST = "here"


@dataclass
class KeptJournal:
    """A journal whose notes are merged as recovery merges them."""

    vault: FolderVault
    notes: list[dict[str, JsonValue]] = field(default_factory=list[dict[str, JsonValue]])
    on_note: Callable[[], None] = lambda: None
    interrupted: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What an earlier attempt at the same deed noted."""

    def note(self, handle: Mapping[str, JsonValue]) -> None:
        self.notes.append(dict(handle))
        self.on_note()

    def keep(self, content: bytes) -> str:
        return self.vault.put(content)

    def fetch(self, address: str) -> bytes:
        return self.vault.get(address)

    def earlier(self) -> Mapping[str, JsonValue]:
        return self.interrupted

    @property
    def handle(self) -> dict[str, JsonValue] | None:
        merged: dict[str, JsonValue] = {}
        for note in self.notes:
            merged |= note
        return merged or None

    @property
    def changes(self) -> tuple[str, ...]:
        found = (note.get("changeset") for note in self.notes)
        return tuple(address for address in found if isinstance(address, str))

    def changes_of(self, target: Target) -> tuple[str, ...]:
        """Return what was noted of the change of one target, as an undo reads it."""
        found = (change_of(note, target) for note in self.notes)
        return tuple(address for address in found if isinstance(address, str))


@dataclass
class Bench:
    """A folder with GRACE's own state on one side and the world on the other."""

    folder: Path
    rules: ProcessRules = field(default_factory=ProcessRules)
    clock: Clock = field(default_factory=SystemClock)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    own_doors: Callable[[], frozenset[Endpoint]] = frozenset
    sqlite: SqliteChild = field(default_factory=lambda: SqliteChild(Role.WRITER))

    def __post_init__(self) -> None:
        self.world = self.folder / "world"
        self.world.mkdir(exist_ok=True)
        self.own = self.folder / "grace"
        self.vault = open_vault(self.own / "vault", self.own / "vault.key")

    @property
    def workplace(self) -> Workplace:
        return Workplace(
            host=HOST,
            folder=self.own / "handles",
            forbidden=(self.own,),
            clock=self.clock,
            redact=redact_text,
            secret=self.secrets.get,
            fetch=self.vault.get,
            sqlite=self.sqlite,
            processes=self.rules,
            environment=self.environment,
            own_doors=self.own_doors,
        )

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(forbidden=(self.own,), redact=redact_text, sqlite=self.sqlite)

    def journal(self) -> KeptJournal:
        return KeptJournal(self.vault)

    def close(self) -> None:
        self.sqlite.close()


def file_target(path: Path) -> Target:
    return Target(kind="file", host=HOST, id=str(path))


def perform(executor: Executor, uses: str, journal: KeptJournal, **parameters: object) -> Outcome:
    """Do what the gate does: read the parameters as the action declares them, then apply."""
    action = executor.actions[uses]
    return action.apply(action.spec.parameters.model_validate(parameters), journal)


def taken(found: object) -> SnapshotObject:
    assert isinstance(found, SnapshotObject), found
    return found


def parsed(action: Action, **parameters: object) -> object:
    return action.spec.parameters.model_validate(parameters)
