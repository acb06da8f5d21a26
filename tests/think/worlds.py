"""A small world for the tests of thought: names with parameters, a service, an incident, eyes and hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from grace.kit.documents import Document
from grace.kit.yaml import read_yaml
from grace.model.catalogue import ActionSpec, Answers, Catalogue, ProbeSpec
from grace.model.diagnosis import Diagnosis
from grace.model.incident import Incident
from grace.model.plan import Reversibility
from grace.model.quantities import AbsolutePath, Duration
from grace.model.reading import Known, Unknown
from grace.model.service import Service
from grace.model.target import Target
from grace.model.warrant import Refusal
from grace.think.playbooks.calls import literal
from grace.think.playbooks.loading import LoadedPlaybook, load_document

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHIPPED: Final = Path(__file__).parents[2]


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProcessName(Parameters):
    pid: int
    started_at: int


class Holder(Parameters):
    pid: int
    started_at: int
    name: str
    held_s: float


class At(Parameters):
    path: AbsolutePath


class Watched(At):
    watch: Duration = 0.0


class Terminate(Parameters):
    process: ProcessName
    holds: AbsolutePath | None = None
    patience: Duration = 3.0


class SignalProcess(Parameters):
    process: ProcessName
    signal: str = Field(pattern="^(HUP|USR1|USR2)$")


class Write(At):
    content: str
    mode: str | None = Field(default=None, pattern="^[0-7]{4}$")


class SetValue(At):
    key: str
    value: str | int | float | bool | None


class Request(Parameters):
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    retries: int = Field(default=0, ge=0, le=3)


class Written(Parameters):
    digest: str
    size: int


def _action(
    name: str,
    parameters: type[BaseModel],
    reversibility: Reversibility,
    outputs: type[BaseModel] | None = None,
) -> ActionSpec:
    provider = "files" if reversibility is Reversibility.EXACT else None
    return ActionSpec(name, "", parameters, outputs, reversibility, provider, "")


CATALOGUE: Final = Catalogue(
    actions={
        one.name: one
        for one in (
            _action("process.terminate", Terminate, Reversibility.IRREVERSIBLE),
            _action("process.signal", SignalProcess, Reversibility.COMPENSABLE),
            _action("file.write", Write, Reversibility.EXACT, Written),
            _action("file.set_value", SetValue, Reversibility.EXACT, Written),
            _action("http.request", Request, Reversibility.COMPENSABLE),
        )
    },
    probes={
        one.name: one
        for one in (
            ProbeSpec("process.lock_holder", "", Watched, Answers.OBJECT, Holder, ("pid", "started_at")),
            ProbeSpec("process.from_pid_file", "", At, Answers.OBJECT, Holder, ("pid", "started_at")),
            ProbeSpec("sqlite.writable", "", At, Answers.BOOLEAN),
            ProbeSpec("sqlite.integrity", "", At, Answers.TEXT),
            ProbeSpec("file.size", "", At, Answers.NUMBER),
            ProbeSpec("file.value", "", At, Answers.ANYTHING),
            ProbeSpec("sqlite.rows", "", At, Answers.LIST),
        )
    },
)

SERVICE: Final = Service.model_validate(
    {
        "name": "orders",
        "environment": "production",
        "labels": {"config": "/srv/orders/conf/app.yaml"},
        "indicators": {"error_rate": {"probe": "file.size", "with": {"path": "/srv/orders/errors"}}},
        "benchmarks": {"smoke": {"probe": "file.size", "with": {"path": "/srv/orders/smoke"}, "samples": 30}},
        "targets": [
            {"kind": "sqlite", "id": "/srv/orders/orders.db"},
            {"kind": "file", "id": "/srv/orders/conf/"},
            {"kind": "http", "id": "http://127.0.0.1:9/cache"},
        ],
        "pid_file": "/run/orders.pid",
    }
)

INCIDENT: Final = Incident(
    id="incident-1",
    fingerprint="f",
    service="orders",
    environment="production",
    title="OperationalError: database is locked",
    labels={"engine": "sqlite", "database": "/srv/orders/orders.db"},
    signal_id="signal-1",
    first_seen=NOON,
    last_seen=NOON,
)

DIAGNOSIS: Final = Diagnosis(
    incident_id="incident-1", cause="database_locked", confidence=0.95, knowledge_digest="sha256:0", at=NOON
)

HOLDER: Final[JsonValue] = {"pid": 4312, "started_at": 77, "name": "report", "held_s": 9.0}

STUCK_WRITER: Final = """\
format: 1
name: sqlite-release-stuck-writer
version: 1.0.0
summary: End the process that holds a write lock for too long
when: {cause: database_locked, labels: {engine: sqlite}}
inputs:
  database: {type: path, from: incident.labels.database}
  patience: {type: duration, default: 3s}
find:
  - id: holder
    uses: process.lock_holder
    with: {path: "${{ inputs.database }}"}
do:
  - id: end_holder
    uses: process.terminate
    if: find.holder.held_s > 5
    with:
      process: {pid: "${{ find.holder.pid }}", started_at: "${{ find.holder.started_at }}"}
      patience: "${{ inputs.patience }}"
contract:
  before:
    - {probe: sqlite.writable, with: {path: "${{ inputs.database }}"}, is: false}
  throughout:
    - {probe: sqlite.integrity, with: {path: "${{ inputs.database }}"}, is: ok}
  after:
    - {probe: sqlite.writable, with: {path: "${{ inputs.database }}"}, is: true, within: 2s, for: 3s}
    - {metric: service.error_rate, at_most: 0.01, within: 5s, for: 5s}
    - {benchmark: service.smoke, worsens_at_most: 20%, required: false}
on_violated: hold
on_inconclusive: hold
"""

RELOAD: Final = """\
format: 1
name: lower-pool
version: 1.0.0
summary: Set a smaller pool and reload
when: {cause: database_locked}
inputs:
  config: {type: path, from: service.labels.config}
find:
  - {id: main, uses: process.from_pid_file, with: {path: "${{ service.pid_file }}"}}
do:
  - id: set_pool
    uses: file.set_value
    with: {path: "${{ inputs.config }}", key: pool.size, value: 4}
  - id: reload
    uses: process.signal
    with: {process: &p, signal: HUP}
    undo:
      uses: process.signal
      with: {process: &p, signal: HUP}
      after_restore: true
contract:
  after:
    - {probe: sqlite.writable, with: {path: /srv/orders/orders.db}, is: true, for: 3s}
on_violated: roll_back
on_inconclusive: roll_back
""".replace("&p", '{pid: "${{ find.main.pid }}", started_at: "${{ find.main.started_at }}"}')


def document(text: str) -> Document:
    read = read_yaml(text, "p.yaml")
    assert isinstance(read, Document), str(read)
    return read


def loaded(text: str) -> LoadedPlaybook:
    outcome = load_document(document(text), CATALOGUE)
    assert isinstance(outcome, LoadedPlaybook), "\n".join(map(str, outcome))
    return outcome


@dataclass(slots=True)
class Eyes:
    """Sees what it is told to, and remembers where it looked."""

    found: Mapping[str, JsonValue] = field(default_factory=lambda: {"process.lock_holder": HOLDER})
    looked: list[tuple[str, Mapping[str, JsonValue]]] = field(default_factory=list[tuple[str, Mapping[str, JsonValue]]])

    def look(self, uses: str, parameters: Mapping[str, JsonValue]) -> Known | Unknown:
        self.looked.append((uses, parameters))
        return Known(value=self.found[uses]) if uses in self.found else Unknown(why="nobody holds it")


@dataclass(slots=True)
class Hands:
    """Names targets by path, process or address, and foretells nothing special."""

    refusal: Refusal | None = None

    def targets(self, uses: str, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        written = literal(parameters)
        kind = uses.partition(".")[0]
        match written:
            case {"process": {"pid": pid, "started_at": start}}:
                return (Target(kind=kind, host="db-1", id=f"{pid}@{start}"),)
            case {"path": str() as path}:
                return (Target(kind=kind, host="db-1", id=path),)
            case {"url": str() as url}:
                return (Target(kind=kind, host="db-1", id=url),)
            case _:
                raise AssertionError(uses)

    def predict(self, uses: str, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        return self.refusal or {"does": uses}
