"""One life of GRACE: open the house, be the people around it until everything is settled, close it, or die before."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from dbos import DBOS
from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from grace.act.executors import Applied
from grace.act.executors.sqlite import SqliteExecute
from grace.act.healing import asking
from grace.kit.clock import SystemClock
from grace.kit.cuts import arm, disarm, observe
from grace.model.approval import ApprovalState
from grace.model.run import Run, RunKind
from grace.model.settlement import SettlementKind
from grace.settings import Settings, load_settings
from grace.wiring import Running, open_house
from tests.crash.scenarios import SCENARIOS, SERVICE, Scenario

LIMIT_S: Final = 60.0
_VERY_LONG_S: Final = 3600.0
PERSON: Final = "ann"

Told: TypeAlias = str | int | list[str]
Tell: TypeAlias = Callable[[str, Told], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """The nth pass of a named fault point."""

    name: str
    nth: int


@dataclass(slots=True)
class Acknowledged:
    """What earlier lives acknowledged: from then on it must survive, and nobody says it again."""

    signal: bool = False
    answered: bool = False
    undo: bool = False
    highest: int = -1
    settled: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, lines: Iterable[dict[str, Told]]) -> None:
        """Take in what a life told."""
        for line in lines:
            for what, told in line.items():
                match what, told:
                    case "signal", _:
                        self.signal = True
                    case "answered", _:
                        self.answered = True
                    case "undo", _:
                        self.undo = True
                    case "highest", int():
                        self.highest = max(self.highest, told)
                    case "settled", str():
                        run_id, _, kind = told.partition(" ")
                        self.settled[run_id] = kind
                    case _:
                        pass


def settings_of(rules: Path, folder: Path) -> Settings:
    """Return the settings of one case."""
    return load_settings(
        data_folder=folder / "data",
        services_file=folder / "grace.yaml",
        playbook_folders=(rules / "playbooks",),
        policy_folders=(rules / "policies",),
        witness_interval=0.02,
        allow_process_control_as_root=True,
    )


def repeat_without_asking() -> None:
    """Plant a fault in this process: an interrupted change of rows is taken as not done, and done again."""

    def no(self: SqliteExecute, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        return Applied.NO

    SqliteExecute.probe = no


def live(
    settings: Settings, scenario: str, labels: dict[str, str], cut: Cut | None, known: Acknowledged, tell: Tell
) -> None:
    """Live one life; at the cut this process dies. Without one, tell the names of all cuts that were passed."""
    # Nobody looks by chance within the life of a test: who waits for an answer must be woken, after a restart too.
    asking.LONGEST_SILENCE_S = _VERY_LONG_S
    if cut is not None:
        arm(cut.name, cut.nth)
        _stay(settings, SCENARIOS[scenario], labels, known, tell)
        disarm()
        return
    with observe() as passed:
        _stay(settings, SCENARIOS[scenario], labels, known, tell)
        tell("passed", list(passed()))


def _stay(settings: Settings, scenario: Scenario, labels: dict[str, str], known: Acknowledged, tell: Tell) -> None:
    with open_house(settings) as running:
        _People(running, scenario, labels, known, tell).see_it_through()


class _People:
    """Who sends the signal, answers the question and asks for the undo: each once, unless nobody heard."""

    def __init__(
        self, running: Running, scenario: Scenario, labels: dict[str, str], known: Acknowledged, tell: Tell
    ) -> None:
        self._house = running.house
        self._scenario = scenario
        self._labels = labels
        self._known = known
        self._tell = tell
        self._changed = threading.Event()
        self._house.record.on_commit(self._notice)

    def see_it_through(self) -> None:
        if not self._known.signal:
            self._send()
        heal = self._wait_for(lambda: self._run(RunKind.HEAL), "a run")
        kind = self._wait_for(lambda: self._answered(heal), "the end of the heal")
        self._tell("settled", f"{heal} {kind}")
        if self._scenario.undoes and kind == SettlementKind.COMMITTED:
            self._see_undone(heal)

    def _send(self) -> None:
        signal = {
            "format": 1,
            "id": "signal-1",
            "service": SERVICE,
            "at": SystemClock().now().isoformat(),
            "kind": "exception",
            "title": "ConnectionRefusedError",
            "message": "connection refused",
            "labels": {**self._labels, "scenario": self._scenario.name},
        }
        receipt = asyncio.run(self._house.door.accept(json.dumps({"signals": [signal]}).encode()))
        assert getattr(receipt, "accepted", 0) + getattr(receipt, "duplicates", 0) == 1, receipt
        self._tell("signal", "signal-1")

    def _answered(self, run_id: str) -> str | None:
        """Return how a run ended; answer its question meanwhile."""
        approval = self._house.approvals.of(run_id)
        if approval is not None and approval.state is ApprovalState.WAITING:
            assert not self._known.answered, "an answer that was acknowledged is lost"
            self._wait_for(lambda: _hears(run_id), "a run that listens for an answer")
            answer = self._house.approvals.answer(
                approval.id, PERSON, grants=True, reason="", plan_digest=approval.plan_digest
            )
            self._tell("answered", str(getattr(answer, "state", answer)))
        return self._settlement(run_id)

    def _see_undone(self, heal: str) -> None:
        undo = self._run(RunKind.UNDO)
        if undo is None:
            assert not self._known.undo, "an undo that was acknowledged is lost"
            opened = self._house.runs.undo(heal, PERSON, "not wanted")
            assert isinstance(opened, Run), opened
            undo = opened.id
            self._tell("undo", undo)
        run_id = undo
        kind = self._wait_for(lambda: self._settlement(run_id), "the end of the undo")
        self._tell("settled", f"{undo} {kind}")

    def _run(self, kind: RunKind) -> str | None:
        return self._one("SELECT id FROM runs WHERE kind = :value", kind.value)

    def _settlement(self, run_id: str) -> str | None:
        return self._one("SELECT settlement FROM runs WHERE id = :value", run_id)

    def _one(self, query: str, value: str) -> str | None:
        with self._house.record.read() as connection:
            found = connection.execute(text(query), {"value": value}).scalar_one_or_none()
        return None if found is None else str(found)

    def _notice(self, highest: int) -> None:
        self._tell("highest", highest)
        self._changed.set()

    def _wait_for(self, look: Callable[[], str | None], what: str) -> str:
        deadline = time.monotonic() + LIMIT_S
        while True:
            self._changed.clear()
            found = look()
            if found is not None:
                return found
            remaining_s = deadline - time.monotonic()
            assert remaining_s > 0, f"{what} did not come in {LIMIT_S:g} s; on record: {self._told()}"
            self._changed.wait(min(remaining_s, 0.02))

    def _told(self) -> list[str]:
        return [entry.key for entry in self._house.record.entries()]


def _hears(run_id: str) -> str | None:
    """Return the run when its walk, as the engine remembers it, is at the place where it waits to be rung."""
    for walk in DBOS.list_workflows(workflow_id_prefix=run_id, status="PENDING"):
        steps = DBOS.list_workflow_steps(walk.workflow_id)
        if steps and steps[-1]["function_name"] == "DBOS.sleep":
            return run_id
    return None
