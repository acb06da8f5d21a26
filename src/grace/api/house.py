"""The house as the API sees it: the verbs and stores that wiring hands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pydantic import Field

from grace.act.healing.handdesk import Begun, Foreseen
from grace.api.tokens import TokenStore
from grace.govern.approvals.store import ApprovalStore
from grace.govern.halt.switch import HaltSwitch
from grace.govern.policy.live import LivePolicy
from grace.kit.clock import Clock
from grace.model.catalogue import Catalogue
from grace.model.diagnosis import Alternative, Evidence
from grace.model.drill import Drill, DrillKind
from grace.model.dry_plan import DryPlan
from grace.model.examination import Examination
from grace.model.handwork import AskedByHand
from grace.model.incident import Incident
from grace.model.noun import Noun
from grace.model.restraint import HeldBack, Restrained, RestraintCounts, RestraintLifted
from grace.model.run import Fall, Run
from grace.model.service import Service
from grace.model.snapshot import Restoration
from grace.model.verdict import Benchmark
from grace.model.warrant import Refusal
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.webhooks.outbox import Outbox
from grace.record.opening import Record
from grace.think.knowledge.format import KnowledgeRule
from grace.think.playbooks.format import Language
from grace.think.playbooks.saving import SavedPlaybook


class Receipt(Noun):
    """What a door says of one message once it is durable; `accepted` and `duplicates` add up to its signals."""

    accepted: int
    duplicates: int


class PlaybookCard(Noun):
    """A loaded playbook, for a list."""

    name: str
    version: str
    digest: str
    summary: str
    causes: tuple[str, ...] = ()
    language: Language = Language.YAML
    document: str = ""
    """The playbook as written; in lists empty."""


class Door(Protocol):
    """Takes signals in."""

    async def accept(self, body: bytes) -> Receipt | Refusal:
        """Return after everything in the body is durable, or why nothing of it was taken."""
        ...


class RunVerbs(Protocol):
    """Opens and cancels runs."""

    def heal(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> Run | Refusal: ...

    def undo(self, run_id: str, by: str, reason: str) -> Run | Refusal: ...

    def keep(self, run_id: str, by: str, reason: str, *, as_is: bool = False) -> Run | Refusal: ...

    def cancel(self, run_id: str, by: str, reason: str) -> Refusal | None: ...


class IncidentVerbs(Protocol):
    """Plans for incidents and closes them."""

    def plan(
        self, incident: Incident, by: str, *, playbook: str | None = None, inputs: Mapping[str, str] | None = None
    ) -> DryPlan | Refusal:
        """Diagnose, plan and decide; change nothing outside the record."""
        ...

    def close(self, incident: Incident, by: str, reason: str) -> Incident | Refusal: ...


class ProofVerbs(Protocol):
    """Measures and rehearses."""

    def benchmark(self, service: str, name: str, by: str) -> Benchmark | Refusal:
        """Measure a declared benchmark of a service now and record it."""
        ...

    def make_golden(self, benchmark_id: str, by: str) -> Benchmark | Refusal:
        """Make a passing measurement the golden baseline."""
        ...

    def rehearse(self, snapshot_id: str) -> Sequence[Restoration] | Refusal:
        """Tell what a restore would do, object by object; write nothing."""
        ...


class Declared(Protocol):
    """What is declared in files."""

    def services(self) -> Sequence[Service]: ...

    def playbooks(self) -> Sequence[PlaybookCard]: ...


class Passage(Noun):
    """What the knowledge says to a question: one entry of a pack, with its source."""

    pack: str
    entry: str
    title: str
    cause: str
    advice: tuple[str, ...] = ()
    """What to look at and what to do, in sentences."""
    playbooks: tuple[str, ...] = ()
    source: str


class Retrieval(Protocol):
    """Searches what is known."""

    def search(self, question: str, limit: int) -> Sequence[Passage]:
        """Return the entries that speak of a question, best first; none where nothing does."""
        ...


class KnowledgeCard(Noun):
    """One entry of a pack, for a list."""

    id: str
    pack: str
    cause: str
    kind: str
    """The class of causes that it counts as where diagnoses are measured."""
    title: str
    versions: str
    source: str


class PackCard(Noun):
    """A pack of knowledge that is in force."""

    name: str
    version: str
    digest: str
    summary: str
    entries: int


class Tried(Noun):
    """What the sentinel would say of one message; nothing is recorded and nothing is looked at."""

    cause: str
    kind: str
    confidence: float
    never_acts: bool
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    advice: tuple[str, ...] = ()
    playbooks: tuple[str, ...] = ()


class KnowledgeVerbs(Retrieval, Protocol):
    """Lists what is known and tries it on a message."""

    def packs(self) -> Sequence[PackCard]: ...

    def cards(self) -> Sequence[KnowledgeCard]: ...

    def entry(self, entry_id: str) -> KnowledgeRule | None: ...

    def try_out(self, message: str) -> Tried:
        """Say what the diagnosis of an incident with this one message would be, from the text only."""
        ...


class DrillVerbs(Protocol):
    """Breaks scratch things on purpose."""

    @property
    def latest(self) -> Drill | None: ...

    def start(self, kind: DrillKind, by: str) -> Drill | Refusal:
        """Return as soon as the fault stands; one drill runs at a time."""
        ...

    def wait_for_run(self, drill: Drill, timeout_s: float) -> Drill:
        """Return the drill once its incident has a run, or as far as it came in time."""
        ...


class HandVerbs(Protocol):
    """Foresees, begins and keeps what people do by hand."""

    def foresee(self, asked: AskedByHand, by: str, incident: Incident | None = None) -> Foreseen | Refusal:
        """Return diagnosis, plan and decision; change nothing, open nothing."""
        ...

    def begin(self, asked: AskedByHand, by: str, *, incident: Incident | None = None, key: str = "") -> Begun | Refusal:
        """Open the run; asked again under the same key, with the same command, return the run that stands."""
        ...

    def playbook(self, run_id: str, name: str, cause: str | None = None) -> SavedPlaybook | Refusal:
        """Write what a committed run did by hand as a playbook."""
        ...


class DoctorVerbs(Protocol):
    """Looks at what GRACE needs; changes nothing."""

    def examine(self, service: str | None = None) -> Examination:
        """Look at everything, or with a name at one declared service; it takes as long as the slowest probe."""
        ...


class RestraintVerbs(Protocol):
    """Shows what holds GRACE back, and forgets it by a person's word."""

    def standing(self) -> Restrained: ...

    def counts(self) -> RestraintCounts: ...

    def on(self, incident_id: str) -> HeldBack: ...

    def lift(self, subject: str, by: str, reason: str) -> RestraintLifted | Refusal: ...


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a route may reach."""

    record: Record
    clock: Clock
    tokens: TokenStore
    approvals: ApprovalStore
    halts: HaltSwitch
    policy: LivePolicy
    catalogue: Catalogue
    runs: RunVerbs
    falls: Callable[[], Sequence[Fall]]
    """Which runs fell over by an accident of ours and have not come to an end since."""
    incidents: IncidentVerbs
    proofs: ProofVerbs
    declared: Declared
    knowledge: KnowledgeVerbs
    drills: DrillVerbs
    by_hand: HandVerbs
    restraint: RestraintVerbs
    doctor: DoctorVerbs
    mesh: Mesh
    outbox: Outbox
    door: Door
    version: str
    session_lifetime: timedelta
    body_limit_bytes: int
    troubles: Callable[[], Sequence[str]] = tuple
    """What is wrong with the server itself, each in one sentence."""
    down: Callable[[], Sequence[str]] = tuple
    """Which of the server's own work nobody does at the moment, each in one sentence."""
