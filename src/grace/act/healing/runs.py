"""Open, cancel and carry on runs: the verbs by which a walk begins."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue
from sqlalchemy import text

from grace.act.healing.asking import TOPIC
from grace.act.healing.beginning import begin_by_hand
from grace.act.healing.engine import DurableEngine, DurableSteps
from grace.act.healing.escalating import AUTOMATIC
from grace.act.healing.heal import Heal
from grace.act.healing.story import Story, beginning, past_of
from grace.act.healing.way_back import KeepRun, UndoRun
from grace.act.healing.words import Word, refusal_of
from grace.kit.clock import Clock
from grace.kit.ids import IdMint
from grace.model.events import CancelRequested, EventType
from grace.model.incident import Incident, IncidentState
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.model.restraint import RunDeferred
from grace.model.run import Fall, Run, RunKind
from grace.model.settlement import Settlement, SettlementKind
from grace.model.warrant import Refusal
from grace.record import Journal, Reader, Transaction
from grace.record.reading import noun_at

Defers = Callable[[sqlite3.Connection, Incident], RunDeferred | None]


@dataclass(frozen=True, slots=True)
class Walks:
    """The three kinds of walk."""

    heal: Heal
    undo: UndoRun
    keep: KeepRun


@dataclass(slots=True)
class Runs:
    """Opens runs on the record and hands them to the engine."""

    journal: Journal
    reader: Reader
    clock: Clock
    mint: IdMint
    walks: Walks
    defers: Defers
    """Says why a run that nobody asked for waits."""
    begin: Callable[[str], None] = field(init=False)
    start: Callable[[str], None] = field(init=False)
    ring: Callable[[str, str], None] = field(init=False)
    falls: Callable[[], Sequence[Fall]] = field(init=False)
    _just_opened: dict[str, LedgerEntry] = field(init=False, default_factory=dict[str, LedgerEntry])
    """Runs that nobody has walked yet: nothing else stands of them that a walk reads at its beginning."""

    def use(self, engine: DurableEngine) -> None:
        """Connect the engine that carries runs on."""
        self.begin = engine.begin
        self.start = engine.start
        self.ring = engine.ring
        self.falls = engine.falls

    def heal(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> Run | Refusal:
        """Open a heal of an incident. One open run for each incident; the automatic one once for each occurrence."""
        run = Run(
            id=self.mint.mint("run"),
            kind=RunKind.HEAL,
            incident_id=incident.id,
            occurrence=incident.occurrence,
            service=incident.service,
            environment=incident.environment,
            playbook=playbook,
            inputs=dict(inputs or {}),
            requested_by=by,
            opened_at=self.clock.now(),
        )
        return self._open(run, lambda tx: _heal_refusal(tx, run) or self._deferred(tx, run, incident))

    def climb(self, undone: Run) -> Run | Refusal:
        """Open the heal that tries the next playbook, after one that was undone and is the newest of its incident."""
        run = Run(
            id=self.mint.mint("run"),
            kind=RunKind.HEAL,
            incident_id=undone.incident_id,
            occurrence=undone.occurrence,
            service=undone.service,
            environment=undone.environment,
            requested_by=undone.requested_by,
            reason=f"{undone.id} did not heal it and left nothing behind: the next playbook",
            opened_at=self.clock.now(),
        )
        return self._open(run, lambda tx: _climb_refusal(tx, run, undone.id))

    def is_handed_over(self, run_id: str) -> bool:
        """Tell whether the end of a run was told to the owner of its service."""
        return self.reader.find(f"{run_id}/escalated") is not None

    def by_hand(self, run: Run, incident: Incident) -> Run | Refusal:
        """Open a heal with a person's own command, together with its incident where that is opened for it alone."""
        return self._open(run, lambda tx: begin_by_hand(tx, run, incident) or _heal_refusal(tx, run))

    def undo(self, run_id: str, by: str, reason: str) -> Run | Refusal:
        """Open the undo of a settled run."""
        return self._answer(RunKind.UNDO, run_id, by, reason, {})

    def keep(self, run_id: str, by: str, reason: str, *, as_is: bool = False) -> Run | Refusal:
        """Open the keeping of a held run; it may still be undone after."""
        return self._answer(RunKind.KEEP, run_id, by, reason, {"as_is": "yes"} if as_is else {})

    def cancel(self, run_id: str, by: str, reason: str) -> Refusal | None:
        """Ask a run to stop at its next safe point; return why not."""
        run = self.run(run_id)
        if run is None:
            return Refusal(rule="no-run", why=f"there is no run {run_id}", next="grace runs")
        if self.reader.find(f"{run_id}/settled") is not None:
            return Refusal(rule="settled", why=f"{run_id} is settled, and a settlement is final")
        request = CancelRequested(run_id=run_id, by=by, reason=reason)
        self.journal.append(_draft(run, "cancel", EventType.RUN_CANCEL_REQUESTED, request.to_json(), by))
        self.ring(run_id, TOPIC)
        return None

    def run(self, run_id: str) -> Run | None:
        """Return what was opened."""
        return noun_at(self.reader.find, f"{run_id}/opened", Run)

    def settlement(self, run_id: str) -> Settlement | None:
        """Return how a run ended, None while it is open."""
        return noun_at(self.reader.find, f"{run_id}/settled", Settlement)

    def recover(self) -> tuple[str, ...]:
        """Hand every open run of the ledger to the engine, whatever the engine remembers; return their ids."""
        with self.reader.read() as connection:
            rows = connection.execute(text("SELECT id FROM runs WHERE settlement IS NULL ORDER BY id")).all()
        open_runs = tuple(str(row[0]) for row in rows)
        for run_id in open_runs:
            self.start(run_id)
        return open_runs

    def fallen(self) -> Sequence[Fall]:
        """Return the open runs that fell over since the start."""
        return self.falls()

    async def walk(self, run_id: str) -> str:
        """Carry one run to its settlement: what the engine calls."""
        opened = self._just_opened.pop(run_id, None)
        past = await past_of(run_id, self.reader) if opened is None else beginning(opened)
        if past is None:
            message = f"the engine knows {run_id}, the ledger does not"
            raise LookupError(message)
        story = Story(past.run, past.known, self.journal, self.reader, DurableSteps(), self.clock)
        settlement = await self._walk_of(past.run)(story)
        return settlement.kind

    def _walk_of(self, run: Run) -> Heal | UndoRun | KeepRun:
        match run.kind:
            case RunKind.HEAL:
                return self.walks.heal
            case RunKind.UNDO:
                return self.walks.undo
            case RunKind.KEEP:
                return self.walks.keep

    def _answer(self, kind: RunKind, of_run: str, by: str, reason: str, inputs: dict[str, str]) -> Run | Refusal:
        earlier = self.run(of_run)
        if earlier is None:
            return Refusal(rule="no-run", why=f"there is no run {of_run}", next="grace runs")
        if earlier.of_run is not None:
            # An undo or keep wrote nothing of its own: the word is on what the first run did.
            return self._answer(kind, earlier.of_run, by, reason, inputs)
        run = Run(
            id=self.mint.mint("run"),
            kind=kind,
            incident_id=earlier.incident_id,
            service=earlier.service,
            environment=earlier.environment,
            of_run=of_run,
            inputs=inputs,
            requested_by=by,
            reason=reason,
            opened_at=self.clock.now(),
        )
        return self._open(run, lambda tx: _answer_refusal(tx, run))

    def _deferred(self, tx: Transaction, run: Run, incident: Incident) -> Refusal | None:
        """Refuse for now the run that nobody asked for, and say so on the record, once for each reason."""
        deferral = self.defers(tx.driver, incident) if run.requested_by == AUTOMATIC else None
        if deferral is None:
            return None
        tx.append(
            Draft(
                key=f"{incident.id}/deferred/{incident.occurrence}/{deferral.rule}",
                type=EventType.RUN_DEFERRED,
                actor=AUTOMATIC,
                incident_id=incident.id,
                service=incident.service,
                payload=deferral.to_json(),
            )
        )
        return Refusal(rule=deferral.rule, why=deferral.why, next="grace restraint list")

    def _open(self, run: Run, refuses: Callable[[Transaction], Refusal | None]) -> Run | Refusal:
        def unit(tx: Transaction) -> LedgerEntry | Refusal:
            draft = _draft(run, "opened", EventType.RUN_OPENED, run.to_json(), run.requested_by)
            return refuses(tx) or tx.append(draft)

        opened = self.journal.run(unit)
        if isinstance(opened, Refusal):
            return opened
        self._just_opened[run.id] = opened
        self.begin(run.id)
        return run


def _draft(run: Run, stage: str, type_: EventType, payload: dict[str, JsonValue], actor: str) -> Draft:
    return Draft.model_validate(
        {
            "key": f"{run.id}/{stage}",
            "type": type_,
            "actor": actor,
            "run_id": run.id,
            "incident_id": run.incident_id,
            "service": run.service,
            "payload": payload,
        }
    )


def _climb_refusal(tx: Transaction, run: Run, undone: str) -> Refusal | None:
    newest = tx.connection.execute(
        text("SELECT id FROM runs WHERE incident_id = :incident AND kind = 'heal' ORDER BY opened_at DESC, id DESC"),
        {"incident": run.incident_id},
    ).scalar()
    if newest != undone:
        return Refusal(rule="one-run", why=f"{newest} was opened after {undone}", next=f"grace runs {newest}")
    return _closed_refusal(tx, run)


def _closed_refusal(tx: Transaction, run: Run) -> Refusal | None:
    state = tx.connection.execute(
        text("SELECT state FROM incidents WHERE id = :incident"), {"incident": run.incident_id}
    ).scalar_one_or_none()
    if state == IncidentState.OPEN:
        return None
    return Refusal(rule="incident", why=f"{run.incident_id} is {state or 'unknown'}, not open", next="grace incidents")


def _heal_refusal(tx: Transaction, run: Run) -> Refusal | None:
    if (closed := _closed_refusal(tx, run)) is not None:
        return closed
    rows = tx.connection.execute(
        text("SELECT id, settlement, requested_by, doc FROM runs WHERE incident_id = :incident AND kind = 'heal'"),
        {"incident": run.incident_id},
    ).all()
    for row in rows:
        if row.settlement is None:
            return Refusal(
                rule="one-run", why=f"{run.incident_id} is being healed by {row.id}", next=f"grace runs {row.id}"
            )
        opened = tx.find(f"{row.id}/opened")
        same = opened is not None and (opened.payload or {}).get("occurrence") == run.occurrence
        if same and row.requested_by == run.requested_by == "grace":
            return Refusal(rule="one-run", why=f"{row.id} was opened for this occurrence already")
    return None


def _answer_refusal(tx: Transaction, run: Run) -> Refusal | None:
    rows = tx.connection.execute(
        text("SELECT id, kind, settlement FROM runs WHERE id = :run OR of_run = :run ORDER BY opened_at, id"),
        {"run": run.of_run},
    ).all()
    words = [
        Word(row.id, RunKind(row.kind), None if row.settlement is None else SettlementKind(row.settlement))
        for row in rows
    ]
    return refusal_of(run.kind, words)
