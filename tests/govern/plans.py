"""Plans, services and diagnoses for the tests of this room, one keyword away from ordinary."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import JsonValue

from grace.govern.policy import Question
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan, PlannedStep, Remedy, Reversibility
from grace.model.service import Mode, Service
from grace.model.target import Target

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEEDS = frozenset({
    "command.run",
    "file.chmod",
    "file.move",
    "file.remove",
    "file.replace_text",
    "file.set_value",
    "file.write",
    "http.request",
    "process.signal",
    "process.terminate",
    "sqlite.checkpoint",
    "sqlite.execute",
})  # fmt: skip


def step(
    uses: str = "file.write",
    reversibility: Reversibility = Reversibility.EXACT,
    parameters: dict[str, JsonValue] | None = None,
    target: str = "file:host:/srv/orders/settings.yaml",
) -> PlannedStep:
    given: dict[str, JsonValue] = {"path": "/srv/orders/settings.yaml"} if parameters is None else parameters
    written: dict[str, object] = {
        "id": uses.replace(".", "_"),
        "uses": uses,
        "with": given,
        "targets": (Target.parse(target),),
        "reversibility": reversibility,
    }
    return PlannedStep.model_validate(written)


def terminate(patience: float = 3.0, holds: str = "/srv/orders/orders.db") -> PlannedStep:
    process: dict[str, JsonValue] = {"pid": 4312, "started_at": 1.5}
    parameters: dict[str, JsonValue] = {"process": process, "patience": patience, "holds": holds}
    return step("process.terminate", Reversibility.IRREVERSIBLE, parameters, "process:host:4312@1.5")


def plan(*steps: PlannedStep, cause: str = "database_locked", service: str = "orders") -> Plan:
    clause = Clause(
        id="c1",
        phase=Phase.AFTER,
        source=ClauseSource.PROBE,
        name="http.ok",
        probe="http.ok",
        comparator=Comparator.IS,
        expected=True,
    )
    return Plan(
        playbook="fix-orders",
        version="1.0.0",
        playbook_digest="sha256:" + "0" * 64,
        incident_id="inc_1",
        service=service,
        environment="production",
        cause=cause,
        summary="Put it right",
        steps=steps,
        contract=Contract(clauses=(clause,)),
        on_violated=Remedy.ROLL_BACK,
        on_inconclusive=Remedy.HOLD,
    )


def service(mode: Mode = Mode.AUTO, **changes: object) -> Service:
    return Service.model_validate({"name": "orders", "environment": "production", "mode": mode, **changes})


def diagnosis(cause: str = "database_locked", confidence: float = 0.95) -> Diagnosis:
    return Diagnosis(incident_id="inc_1", cause=cause, confidence=confidence, knowledge_digest="sha256:k", at=NOW)


def question(
    *steps: PlannedStep, of: Service | None = None, because: Diagnosis | None = None, asked_by: str = "grace"
) -> Question:
    because = because or diagnosis()
    return Question(plan(*steps, cause=because.cause), of or service(), because, asked_by, NOW)
