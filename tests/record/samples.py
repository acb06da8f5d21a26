"""One believable payload for each event type, and a whole run made of them."""

from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from grace.kit.digests import digest_of
from grace.model.approval import Answer, Approval
from grace.model.contract import Clause, ClauseSource, Comparator, Contract, Phase
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.events import (
    ApprovalChanged,
    EventType,
    HaltChanged,
    IncidentClosed,
    PlaybookLoaded,
    TargetChanged,
)
from grace.model.execution import Execution, Undoing
from grace.model.incident import Incident
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.model.plan import Plan, PlannedStep, Remedy, Reversibility
from grace.model.run import Run, RunKind
from grace.model.service import Mode
from grace.model.settlement import Settlement, SettlementKind
from grace.model.snapshot import Restoration, RestoreState, Snapshot
from grace.model.target import Target
from grace.model.verdict import Benchmark, Finding, Verdict

NOW: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LATER: Final = datetime(2026, 1, 1, 13, 0, tzinfo=UTC)
TARGET: Final = Target(kind="file", host="db-1", id="/srv/orders/app.conf")

INCIDENT: Final = Incident(
    id="inc_1",
    fingerprint="f1",
    service="orders",
    environment="production",
    title="database is locked",
    signal_id="sig_1",
    first_seen=NOW,
    last_seen=NOW,
)
CONTRACT: Final = Contract(
    clauses=(
        Clause(
            id="after-1",
            phase=Phase.AFTER,
            source=ClauseSource.PROBE,
            name="file.exists",
            probe="file.exists",
            comparator=Comparator.IS,
            expected=True,
        ),
    )
)
PLAN: Final = Plan(
    playbook="restore-config",
    version="1.0.0",
    playbook_digest="sha256:" + "0" * 64,
    incident_id="inc_1",
    service="orders",
    environment="production",
    cause="bad_config",
    summary="Put the configuration back",
    steps=(
        PlannedStep(
            id="write", uses="file.write", targets=(TARGET,), reversibility=Reversibility.EXACT, provider="files"
        ),
    ),
    contract=CONTRACT,
    on_violated=Remedy.ROLL_BACK,
    on_inconclusive=Remedy.HOLD,
)
PLAN_DIGEST: Final = digest_of(PLAN.to_json())


def fact(key: str, event_type: EventType, payload: Noun | dict[str, JsonValue], run_id: str | None = "run_1") -> Draft:
    return Draft(
        key=key,
        type=event_type,
        actor="grace",
        run_id=run_id,
        incident_id="inc_1",
        service="orders",
        payload=payload.to_json() if isinstance(payload, Noun) else payload,
    )


def opened_run(run_id: str = "run_1", kind: RunKind = RunKind.HEAL, of_run: str | None = None) -> Draft:
    run = Run(
        id=run_id,
        kind=kind,
        incident_id="inc_1",
        service="orders",
        environment="production",
        of_run=of_run,
        requested_by="grace",
        opened_at=NOW,
    )
    return fact(f"{run_id}/opened", EventType.RUN_OPENED, run, run_id)


def settled_run(kind: SettlementKind, run_id: str = "run_1") -> Draft:
    settlement = Settlement(run_id=run_id, kind=kind, sentence="It ended.", at=NOW)
    return fact(f"{run_id}/settled", EventType.RUN_SETTLED, settlement, run_id)


def whole_run() -> list[Draft]:
    """A tier-2 heal that went wrong and was undone, with a quarantine and a halt beside it."""
    decision = Decision(
        plan_digest=PLAN_DIGEST,
        ruling=Ruling.ACT_WITH_APPROVAL,
        rule="ask",
        reason="production",
        policy_digest="sha256:" + "1" * 64,
        engine="cedar",
        mode=Mode.AUTO,
        quorum=1,
        at=NOW,
    )
    approval = Approval(
        id="apr_1",
        run_id="run_1",
        plan_digest=PLAN_DIGEST,
        requester="grace",
        quorum=1,
        requested_at=NOW,
        expires_at=LATER,
    )
    answer = Answer(approval_id="apr_1", by="ann", grants=True, plan_digest=PLAN_DIGEST, at=NOW)
    changed = ApprovalChanged(approval_id="apr_1", run_id="run_1", plan_digest=PLAN_DIGEST, by="ann")
    diagnosis = Diagnosis(incident_id="inc_1", cause="bad_config", confidence=0.9, knowledge_digest="sha256:k", at=NOW)
    restoration = Restoration(
        target=TARGET, provider="files", state=RestoreState.EQUAL, before="sha256:a", ours="sha256:b", now="sha256:b"
    )
    execution = Execution(run_id="run_1", plan_digest=PLAN_DIGEST, started_at=NOW, finished_at=NOW)
    undoing = Undoing(run_id="run_1", restorations=(restoration,), started_at=NOW, finished_at=NOW)
    benchmark = Benchmark(name="smoke", service="orders", probe="http.get", values=(0.1, 0.2), median=0.15, at=NOW)
    loaded = PlaybookLoaded(name="restore-config", version="1.0.0", digest="sha256:" + "0" * 64)
    target = TargetChanged(target=TARGET.key, run_id="run_1", by="grace", why="held")
    halt = HaltChanged(halt_id="halt_1", scope="*", by="ann", reason="drill")
    return [
        fact("playbook/1", EventType.PLAYBOOK_LOADED, loaded, None),
        fact("playbook/2", EventType.PLAYBOOK_LOADED, loaded.model_copy(update={"digest": "sha256:other"}), None),
        fact("inc_1/opened", EventType.INCIDENT_OPENED, INCIDENT, None),
        opened_run(),
        fact("run_1/diagnosis", EventType.DIAGNOSIS_MADE, diagnosis),
        fact("run_1/plan", EventType.PLAN_MADE, PLAN),
        fact("run_1/decision", EventType.DECISION_MADE, decision),
        fact("run_1/approval", EventType.APPROVAL_REQUESTED, approval),
        fact("run_1/answer/ann", EventType.APPROVAL_ANSWERED, answer),
        fact("run_1/answer/ann2", EventType.APPROVAL_ANSWERED, answer.model_copy(update={"grants": False})),
        fact("run_1/granted", EventType.APPROVAL_GRANTED, changed),
        fact("run_1/used", EventType.APPROVAL_USED, changed),
        fact(
            "run_1/snapshot",
            EventType.SNAPSHOT_TAKEN,
            Snapshot(id="snap_1", run_id="run_1", plan_digest=PLAN_DIGEST, taken_at=NOW),
        ),
        fact("run_1/execution", EventType.EXECUTION_FINISHED, execution),
        fact("run_1/benchmark", EventType.BENCHMARK_FINISHED, benchmark),
        fact("golden/1", EventType.BENCHMARK_MADE_GOLDEN, benchmark.model_copy(update={"golden": True}), None),
        fact("golden/2", EventType.BENCHMARK_MADE_GOLDEN, benchmark.model_copy(update={"golden": True}), None),
        fact(
            "run_1/verdict",
            EventType.VERDICT_REACHED,
            Verdict(finding=Finding.VIOLATED, clauses=(), why="worse", window_s=5, at=NOW),
        ),
        fact("run_1/quarantine", EventType.TARGET_QUARANTINED, target),
        fact("run_1/undo", EventType.UNDO_FINISHED, undoing),
        fact("run_1/release", EventType.TARGET_RELEASED, target),
        fact("halt_1/started", EventType.HALT_STARTED, halt, None),
        settled_run(SettlementKind.ROLLED_BACK),
        fact("halt_1/ended", EventType.HALT_ENDED, halt, None),
        fact(
            "inc_1/closed",
            EventType.INCIDENT_CLOSED,
            IncidentClosed(incident_id="inc_1", by="grace", reason="healed", run_id="run_1"),
            None,
        ),
    ]
