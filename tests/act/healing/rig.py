"""A whole healing room on a real record, real files and a real vault, with a thinker that plans what the test wants."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from grace.act.executors import Action, Applied, Journal
from grace.act.executors.authority import RecordedAuthority
from grace.act.executors.gate import Gate
from grace.act.executors.telling import TellingHands
from grace.act.healing.asking import Asking
from grace.act.healing.checking import Checking
from grace.act.healing.deeds import Deeds
from grace.act.healing.doing import Doing
from grace.act.healing.escalating import Escalating
from grace.act.healing.guarding import Guarding
from grace.act.healing.heal import Heal
from grace.act.healing.holding_back import HoldingBack
from grace.act.healing.runs import Runs, Walks
from grace.act.healing.safe_points import SafePoints
from grace.act.healing.settling import Settling
from grace.act.healing.story import Story, past_of
from grace.act.healing.thinking import Thinking
from grace.act.healing.undoing import Undoer
from grace.act.healing.way_back import KeepRun, UndoRun
from grace.act.safehold.providers import Surroundings
from grace.act.safehold.providers.files import FilesProvider
from grace.act.safehold.vault import open_vault
from grace.act.verification.sampler import Sampler
from grace.govern.policy import Question
from grace.govern.restraint.restraints import Restraints
from grace.kit.clock import SystemClock
from grace.kit.digests import sha256_hex
from grace.kit.ids import IdMint
from grace.kit.sqlite_child.client import Role, SqliteChild
from grace.model.approval import Approval
from grace.model.catalogue import ActionSpec
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.escalation import Advice
from grace.model.events import EventType, PlanRefused
from grace.model.execution import Outcome, StepState
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.plan import Plan, PlannedStep, Remedy, Reversibility, Undo
from grace.model.reading import Known, Unknown
from grace.model.run import Run
from grace.model.service import Mode, Service
from grace.model.settlement import Settlement
from grace.model.target import Target
from grace.model.verdict import Benchmark
from grace.record.opening import Record, RecordPlaces, open_record

HOST = "here"


class Write(BaseModel):
    """Parameters of the test's own action."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    text: str
    claims: StepState = StepState.DONE
    does_it: bool = True


class WriteAction:
    """Writes a small file, or only claims to."""

    def __init__(self, name: str, reversibility: Reversibility) -> None:
        exact = reversibility is Reversibility.EXACT
        self.spec = ActionSpec(
            name=name,
            summary="Write a small file",
            parameters=Write,
            outputs=None,
            reversibility=reversibility,
            provider="files" if exact else None,
            blast_radius="one file",
        )
        self.calls: list[str] = []
        self.after: Callable[[], None] = lambda: None

    def targets(self, parameters: BaseModel) -> tuple[Target, ...]:
        assert isinstance(parameters, Write)
        return (Target(kind="file", host=HOST, id=parameters.path),)

    def predict(self, parameters: BaseModel) -> Mapping[str, JsonValue]:
        assert isinstance(parameters, Write)
        return {"after": sha256_hex(parameters.text.encode())}

    def apply(self, parameters: BaseModel, journal: Journal) -> Outcome:
        assert isinstance(parameters, Write)
        self.calls.append(parameters.path)
        if parameters.does_it:
            Path(parameters.path).write_text(parameters.text, encoding="utf-8")
        self.after()
        why = "" if parameters.claims is StepState.DONE else "said so"
        return Outcome(state=parameters.claims, output={"text": parameters.text.upper()}, why=why)

    def probe(self, parameters: BaseModel, handle: Mapping[str, JsonValue] | None) -> Applied:
        assert isinstance(parameters, Write)
        path = Path(parameters.path)
        written = path.exists() and path.read_text(encoding="utf-8") == parameters.text
        return Applied.YES if written else Applied.NO


@dataclass(frozen=True)
class FileMeter:
    path: str
    limit_s: float = 5.0

    def read(self) -> Known | Unknown:
        file = Path(self.path)
        return Known(value=file.read_text(encoding="utf-8")) if file.exists() else Unknown(why=f"no file {self.path}")


class FileEyes:
    """One probe, `text`: what a file says."""

    def aim(self, probe: str, parameters: Mapping[str, JsonValue]) -> FileMeter:
        return FileMeter(str(parameters["path"]))

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        return self.aim(uses, parameters).read()


class NoBaselines:
    def golden(self, service: str, name: str) -> Benchmark | None:
        return None

    def last_healthy(self, service: str, name: str) -> Benchmark | None:
        return None


@dataclass
class Script:
    """What the thinker and the policy answer."""

    plan: Plan | PlanRefused
    ruling: Ruling = Ruling.ACT_ALONE
    quorum: int = 0
    mode: Mode = Mode.AUTO
    halted: bool = False
    next_rung: str | None = None
    advises: bool = True

    def diagnose(self, run: Run) -> Diagnosis:
        return Diagnosis(
            incident_id=run.incident_id or "", cause="timeout", confidence=0.9, knowledge_digest="k", at=run.opened_at
        )

    def advise(self, run: Run, diagnosis: Diagnosis | None, failed: str | None) -> Advice:
        if not self.advises:
            message = "nobody to ask"
            raise LookupError(message)
        return Advice(owner="ann", tried=(failed,) if failed else (), next_rung=self.next_rung)

    def decide(self, question: Question) -> Decision:
        return Decision(
            plan_digest=question.plan.digest,
            ruling=self.ruling,
            rule="test",
            reason="the test says so",
            policy_digest="p",
            engine="test",
            mode=self.mode,
            quorum=self.quorum,
            at=question.at,
        )

    @property
    def digest(self) -> str:
        return "p"

    def is_halted_at(self, driver: sqlite3.Connection, service: str) -> bool:
        return self.halted

    def service(self, name: str, environment: str) -> Service | None:
        return Service(name=name, environment=environment, mode=self.mode)

    def named(self, name: str) -> Service | None:
        return self.service(name, "test")


class Planner:
    def __init__(self, script: Script) -> None:
        self._script = script

    def diagnose(self, run: Run) -> Diagnosis:
        return self._script.diagnose(run)

    def plan(self, run: Run, diagnosis: Diagnosis) -> Plan | PlanRefused:
        return self._script.plan


class NobodyAsked:
    """An approval store for runs that must not ask."""

    def request(self, run: Run, plan_digest: str, quorum: int) -> Approval:
        message = "nobody was to be asked"
        raise AssertionError(message)

    def of(self, run_id: str) -> Approval | None:
        return None

    def consume(self, run_id: str, plan_digest: str) -> bool:
        return False


class Inline:
    """An engine that remembers nothing: every step is done whenever it is met."""

    async def step(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        return await work()

    async def hear(self, topic: str, timeout_s: float) -> None:
        await asyncio.sleep(0.01)


@dataclass
class Room:
    """Everything wired."""

    folder: Path
    script: Script
    record: Record = field(init=False)
    actions: dict[str, WriteAction] = field(init=False)

    def __post_init__(self) -> None:
        state = self.folder / "state"
        self.record = open_record(RecordPlaces.within(state))
        self.clock = SystemClock()
        self.mint = IdMint(self.clock)
        self.actions = {
            "note.write": WriteAction("note.write", Reversibility.EXACT),
            "note.send": WriteAction("note.send", Reversibility.COMPENSABLE),
        }
        vault = self.vault = open_vault(state / "vault", state / "vault.key")
        providers = {
            "files": FilesProvider(Surroundings(forbidden=(state,), redact=str, sqlite=SqliteChild(Role.WRITER)))
        }
        actions: dict[str, Action] = dict(self.actions)
        deeds = Deeds(Gate(actions, RecordedAuthority(self.record)), vault)
        sampler = Sampler(FileEyes(), self.clock)
        safe_points = SafePoints(self.script)
        guard = Guarding(
            FileEyes(), TellingHands(actions), sampler, providers, vault, self.script, safe_points, self.mint
        )
        undoer = Undoer(deeds, providers, vault)
        end = Settling(Escalating(self.script))
        restraints = Restraints(self.record, self.clock, self.script)
        heal = Heal(
            think=Thinking(Planner(self.script), self.script, self.script),
            ask=Asking(NobodyAsked(), safe_points),
            guard=guard,
            do=Doing(deeds, providers, safe_points),
            check=Checking(sampler, NoBaselines()),
            way_back=undoer,
            end=end,
            hold_back=HoldingBack(restraints, self.script),
            slots=asyncio.Semaphore(4),
        )
        walks = Walks(heal=heal, undo=UndoRun(guard, undoer, end), keep=KeepRun(guard, providers, end))
        self.runs = Runs(self.record, self.record, self.clock, self.mint, walks, restraints.deferral)
        self.runs.begin = self.runs.start = lambda _run_id: None
        self.runs.ring = lambda _run_id, _topic: None

    def open_incident(self) -> Incident:
        now = self.clock.now()
        incident = Incident(
            id=self.mint.mint("inc"),
            fingerprint="f",
            service="orders",
            environment="test",
            title="t",
            signal_id="s",
            first_seen=now,
            last_seen=now,
        )
        draft = Draft(
            key=f"{incident.id}/opened/1",
            type=EventType.INCIDENT_OPENED,
            actor="grace",
            incident_id=incident.id,
            service=incident.service,
            payload=incident.to_json(),
        )
        self.record.append(draft)
        return incident

    def open_runs(self) -> tuple[str, ...]:
        """Return the ids of the runs that are not settled."""
        return self.runs.recover()

    def heal(self) -> Settlement:
        """Open a run for a new incident and walk it to its end."""
        run = self.runs.heal(self.open_incident(), "grace")
        assert isinstance(run, Run), run
        return self.walk(run)

    def walk(self, run: Run) -> Settlement:

        async def walked() -> Settlement:
            past = await past_of(run.id, self.record)
            assert past is not None
            return await walk(Story(run, past.known, self.record, self.record, Inline(), self.clock))

        walk = {"heal": self.runs.walks.heal, "undo": self.runs.walks.undo, "keep": self.runs.walks.keep}[run.kind]
        return asyncio.run(walked())

    def close(self) -> None:
        self.record.close()


def step(
    path: Path, text: str, *, id_: str = "write", uses: str = "note.write", undo: Undo | None = None, **more: JsonValue
) -> PlannedStep:
    kinds = {
        "note.write": Reversibility.EXACT,
        "note.send": Reversibility.COMPENSABLE if undo else Reversibility.IRREVERSIBLE,
    }
    return PlannedStep(
        id=id_,
        uses=uses,
        parameters={"path": str(path), "text": text, **more},
        targets=(Target(kind="file", host=HOST, id=str(path)),),
        reversibility=kinds[uses],
        provider="files" if uses == "note.write" else None,
        undo=undo,
    )


def expect(path: Path, text: str, *, phase: Phase = Phase.AFTER, id_: str = "", **more: float | bool) -> Clause:
    return Clause(
        id=id_ or f"{phase}.0",
        phase=phase,
        source=ClauseSource.PROBE,
        name="text",
        probe="text",
        parameters={"path": str(path)},
        comparator=Comparator.IS,
        expected=text,
        **more,  # type: ignore[arg-type]
    )


def plan(*steps: PlannedStep, clauses: tuple[Clause, ...], on: Remedy = Remedy.ROLL_BACK) -> Plan:
    return Plan(
        playbook="test",
        version="1.0.0",
        playbook_digest="sha256:0",
        incident_id="inc",
        service="orders",
        environment="test",
        cause="timeout",
        summary="write a file",
        steps=steps,
        contract=Contract(clauses=clauses),
        on_violated=on,
        on_inconclusive=on,
    )
