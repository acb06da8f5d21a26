"""A house for the tests of the API: the real record, stores, policy, intake and runs; the rest is short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import cast

from pydantic import BaseModel

from grace.act.healing.queue import Queue
from grace.act.healing.restraining import Restrainer, RestraintDesk
from grace.act.healing.runs import Runs, Walks
from grace.api.house import House, Passage, PlaybookCard
from grace.api.native_door import NativeDoor
from grace.api.roles import Role
from grace.api.tokens import TokenStore
from grace.govern.approvals.store import ApprovalStore
from grace.govern.halt.switch import HaltSwitch
from grace.govern.policy.live import LivePolicy, PolicySource
from grace.govern.restraint.restraints import Restraints
from grace.kit.clock import SystemClock
from grace.kit.ids import IdMint
from grace.model.catalogue import ActionSpec, Catalogue
from grace.model.drill import Drill, DrillKind
from grace.model.dry_plan import DryPlan
from grace.model.events import EventType, IncidentClosed
from grace.model.examination import CheckResult, Examination, Health
from grace.model.handwork import AskedByHand
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.model.plan import Reversibility
from grace.model.run import Fall, Run, RunKind
from grace.model.service import Mode, Service
from grace.model.settlement import Settlement, SettlementKind
from grace.model.snapshot import Restoration, RestoreState, Snapshot, SnapshotObject
from grace.model.target import Target
from grace.model.verdict import Benchmark, Finding, Verdict
from grace.model.warrant import Refusal
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import Record
from grace.sense.intake.acceptance import Intake
from grace.shipped import shipped_folder
from grace.think.incidents.grouping import Incidents
from grace.think.knowledge.loading import Knowledge, load_knowledge
from grace.wiring.reference import ReferenceDesk
from tests.govern.plans import DEEDS, diagnosis, plan, question, step

ORDERS = Service(name="orders", environment="production", owner="ada", mode=Mode.AUTO)
INCIDENT = "inc_01J00000000000000000000001"
RUN = "run_01J00000000000000000000001"
SNAPSHOT = "snp_01J00000000000000000000001"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY_LIMIT = 1_048_576


@dataclass(slots=True)
class Engine:
    """Remembers which runs were started; carries none on."""

    started: list[str] = field(default_factory=list[str])
    rung: list[str] = field(default_factory=list[str])
    fallen: list[Fall] = field(default_factory=list[Fall])

    def ring(self, run_id: str, _topic: str = "") -> None:
        self.rung.append(run_id)


@dataclass(frozen=True, slots=True)
class Desk:
    """Plans the same for everybody, and closes incidents on the record."""

    record: Record

    def plan(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> DryPlan | Refusal:
        if playbook == "gone":
            return Refusal(rule="no-playbook", why="there is no playbook gone", next="grace playbook list")
        return DryPlan(diagnosis=diagnosis(), plan=plan(step()), decision=None, why_not=f"asked by {by}")

    def close(self, incident: Incident, by: str, reason: str) -> Incident | Refusal:
        if incident.state == "closed":
            return Refusal(rule="incident", why=f"{incident.id} is closed", next="grace incidents")
        closed = IncidentClosed(incident_id=incident.id, by=by, reason=reason)
        put(self.record, f"{incident.id}/closed", EventType.INCIDENT_CLOSED, closed, by=by)
        return incident


@dataclass(frozen=True, slots=True)
class Proofs:
    """Measures one number; makes nothing golden that is not there."""

    def benchmark(self, service: str, name: str, by: str) -> Benchmark | Refusal:
        if service != ORDERS.name:
            return Refusal(rule="no-service", why=f"there is no service {service}", next="grace status")
        return measured(name)

    def make_golden(self, benchmark_id: str, by: str) -> Benchmark | Refusal:
        return Refusal(rule="not-golden", why=f"{benchmark_id} has missing samples", next="Measure again")

    def rehearse(self, snapshot_id: str) -> Sequence[Restoration] | Refusal:
        target = Target.parse("file:host:/srv/orders/settings.yaml")
        digest = "sha256:" + "1" * 64
        return [
            Restoration(
                target=target, provider="files", state=RestoreState.UNTOUCHED, before=digest, ours=None, now=digest
            )
        ]


@dataclass(frozen=True, slots=True)
class Files:
    def services(self) -> Sequence[Service]:
        return [ORDERS]

    def playbooks(self) -> Sequence[PlaybookCard]:
        digest = "sha256:" + "0" * 64
        return [PlaybookCard(name="fix-orders", version="1.0.0", digest=digest, summary="Fix", document="format: 1\n")]


class Declared:
    """Knows one service."""

    def service(self, name: str, environment: str) -> Service | None:
        return ORDERS if (name, environment) == (ORDERS.name, ORDERS.environment) else None


class Library(ReferenceDesk):
    """Answers questions from one passage, and the rest from what ships."""

    def search(self, question: str, limit: int) -> Sequence[Passage]:
        if "disk" not in question:
            return ()
        known = Passage(
            pack="system",
            entry="disk-full",
            title="The file system is full",
            cause="resource_exhausted",
            advice=("See what grew: du -x",),
            playbooks=("rotate-logs",),
            source="errno(3), ENOSPC",
        )
        return (known,)[:limit]


@dataclass(slots=True)
class Drills:
    """Says what a drill would be; starts one at a time."""

    latest: Drill | None = None

    def start(self, kind: DrillKind, by: str) -> Drill | Refusal:
        if self.latest is not None:
            return Refusal(rule="drill-running", why="a drill is under way already", next="grace drill --status")
        folder = "/scratch/drl_1"
        self.latest = Drill(id="drl_1", kind=kind, by=by, folder=folder, database=f"{folder}/scratch.db", started_at=AT)
        return self.latest

    def wait_for_run(self, drill: Drill, timeout_s: float) -> Drill:
        return drill


class ByHand:
    """Refuses every command: what becomes of one is told by the tests of the whole house."""

    def foresee(self, asked: AskedByHand, by: str, incident: Incident | None = None) -> Refusal:
        return Refusal(rule="no-service", why=f"there is no service {asked.service}", next="grace status")

    def begin(self, asked: AskedByHand, by: str, *, incident: Incident | None = None, key: str = "") -> Refusal:
        return self.foresee(asked, by, incident)

    def playbook(self, run_id: str, name: str, cause: str | None = None) -> Refusal:
        return Refusal(rule="not-by-hand", why=f"{run_id} was not done by hand", next="grace runs")


@dataclass(frozen=True, slots=True)
class Doctor:
    """Finds one thing, whatever is asked."""

    def examine(self, service: str | None = None) -> Examination:
        found = CheckResult(check="service.probe", about=service or "all", health=Health.OK, found="known 1")
        return Examination(at=AT, version="0.1.0", place="server", results=(found,))


class NoParameters(BaseModel):
    pass


def catalogue() -> Catalogue:
    irreversible = {"process.terminate", "http.request"}
    specs = {
        name: ActionSpec(
            name=name,
            summary=name,
            parameters=NoParameters,
            outputs=None,
            reversibility=Reversibility.IRREVERSIBLE if name in irreversible else Reversibility.EXACT,
            provider=None,
            blast_radius="one file",
        )
        for name in DEEDS
    }
    return Catalogue(actions=specs, probes={})


@cache
def _shipped_knowledge() -> Knowledge:
    """Return what ships; it is frozen, so every house may have the same."""
    return load_knowledge([shipped_folder("knowledge")])


def make_house(record: Record, engine: Engine) -> House:
    clock = SystemClock()
    mint = IdMint(clock)
    shipped = shipped_folder("policies")
    restraints = Restraints(record, clock, Declared())
    runs = Runs(record, record, clock, mint, cast("Walks", None), restraints.deferral)
    restraint = RestraintDesk(Queue(runs, record, restraints), Restrainer(record, record, restraints, mint))
    runs.begin = runs.start = engine.started.append
    runs.ring = engine.ring
    return House(
        record=record,
        clock=clock,
        tokens=TokenStore(record, record, clock, mint),
        approvals=ApprovalStore(record, record, clock, timedelta(minutes=30), engine.ring),
        halts=HaltSwitch(record, record, mint),
        policy=LivePolicy(PolicySource((shipped,), shipped / "grace.cedarschema", DEEDS), record),
        catalogue=catalogue(),
        runs=runs,
        falls=lambda: engine.fallen,
        incidents=Desk(record),
        proofs=Proofs(),
        declared=Files(),
        knowledge=Library(_shipped_knowledge()),
        drills=Drills(),
        by_hand=ByHand(),
        restraint=restraint,
        doctor=Doctor(),
        mesh=mesh_of(record),
        outbox=Outbox((), record.origin, lambda _: None, clock),
        door=NativeDoor(Intake(record, Incidents(mint)), clock),
        version="0.1.0",
        session_lifetime=timedelta(hours=12),
        body_limit_bytes=BODY_LIMIT,
    )


def mesh_of(record: Record) -> Mesh:
    mesh = Mesh(record, record.reader, SystemClock())
    record.on_commit(mesh.notice)
    return mesh


def tokens_of(house: House) -> dict[Role, str]:
    return {role: house.tokens.issue(role.value, role, by="tests").secret for role in Role}


def put(
    record: Record, key: str, type_: EventType, payload: Noun, *, run_id: str | None = None, by: str = "grace"
) -> None:
    record.append(
        Draft(
            key=key,
            type=type_,
            actor=by,
            run_id=run_id,
            incident_id=INCIDENT,
            service=ORDERS.name,
            payload=payload.to_json(),
        )
    )


def measured(name: str = "smoke", *, golden: bool = False) -> Benchmark:
    return Benchmark(
        name=name, service=ORDERS.name, probe="http.latency_ms", values=(1.0, 2.0), median=1.5, at=AT, golden=golden
    )


def open_incident(record: Record) -> Incident:
    incident = Incident(
        id=INCIDENT,
        fingerprint="f" * 16,
        service=ORDERS.name,
        environment=ORDERS.environment,
        title="OperationalError: database is locked",
        signal_id="sig_1",
        first_seen=AT,
        last_seen=AT,
    )
    put(record, f"{INCIDENT}/opened/1", EventType.INCIDENT_OPENED, incident)
    return incident


def walk_a_run(house: House, until: str = "settled") -> None:
    """Put a committed run on the record, stage by stage up to one of them, as healing would."""
    record, asked = house.record, question(step())
    run = Run(
        id=RUN,
        kind=RunKind.HEAL,
        incident_id=INCIDENT,
        service=ORDERS.name,
        environment=ORDERS.environment,
        requested_by="grace",
        opened_at=AT,
    )
    decision = house.policy.decide(asked)
    snapshot = Snapshot(
        id=SNAPSHOT,
        run_id=RUN,
        plan_digest=asked.plan.digest,
        objects=(
            SnapshotObject(
                target=asked.plan.targets[0],
                provider="files",
                digest="sha256:" + "1" * 64,
                content="sha256:" + "2" * 64,
            ),
        ),
        taken_at=AT,
    )
    verdict = Verdict(finding=Finding.MET, clauses=(), why="every clause held", window_s=1, at=AT)
    settled = Settlement(run_id=RUN, kind=SettlementKind.COMMITTED, sentence="It holds.", at=AT)
    stages: tuple[tuple[str, EventType, Noun], ...] = (
        ("opened", EventType.RUN_OPENED, run),
        ("diagnosis", EventType.DIAGNOSIS_MADE, diagnosis().model_copy(update={"incident_id": INCIDENT})),
        ("plan", EventType.PLAN_MADE, asked.plan),
        ("decision", EventType.DECISION_MADE, decision),
        ("snapshot", EventType.SNAPSHOT_TAKEN, snapshot),
        ("benchmark/smoke", EventType.BENCHMARK_FINISHED, measured().model_copy(update={"run_id": RUN})),
        ("verdict", EventType.VERDICT_REACHED, verdict),
        ("settled", EventType.RUN_SETTLED, settled),
    )
    for stage, type_, payload in stages:
        put(record, f"{RUN}/{stage}", type_, payload, run_id=RUN)
        if stage == until:
            return


def ask_people(house: House, quorum: int = 1) -> str:
    """Put a question on the record; return its plan digest."""
    digest = question(step()).plan.digest
    asking = Run(
        id=RUN,
        kind=RunKind.HEAL,
        incident_id=INCIDENT,
        service=ORDERS.name,
        environment=ORDERS.environment,
        requested_by="operator",
        opened_at=AT,
    )
    house.approvals.request(asking, digest, quorum)
    return digest


def signal(signal_id: str = "one", **changes: object) -> dict[str, object]:
    return {
        "format": 1,
        "id": signal_id,
        "service": "orders",
        "environment": "production",
        "at": "2026-01-02T03:04:05.000000Z",
        "kind": "exception",
        "severity": "error",
        "title": "OperationalError: database is locked",
        **changes,
    }
