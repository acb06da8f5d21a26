"""No decision, no deed: every other way in is tried, and the world stays as it was."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest

from grace.act.executors.authority import RecordedAuthority
from grace.act.executors.gate import Gate
from grace.act.healing import locks
from grace.kit.digests import digest_of
from grace.model.decision import Decision, Ruling
from grace.model.events import ApprovalChanged, EventType, HaltChanged, LocksTaken, StepIntended
from grace.model.execution import Outcome, StepState
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.model.plan import Plan, Undo
from grace.model.run import Run, RunKind
from grace.model.service import Mode
from grace.model.settlement import Settlement, SettlementKind
from grace.model.warrant import Warrant
from tests.act.healing.rig import Room, Script, expect, plan, step
from tests.act.workbench import KeptJournal

SOURCE = Path(__file__).parents[3] / "src" / "grace"


@dataclass
class Scene:
    """A run that may execute, entry by entry, and whatever a test takes away or adds."""

    room: Room
    target: Path
    plan: Plan
    run: Run
    gate: Gate
    fence: int = 0

    def record(self, stage: str, type_: EventType, payload: Noun, run_id: str | None = None) -> None:
        run = run_id or self.run.id
        self.room.record.append(
            Draft(
                key=f"{run}/{stage}", type=type_, actor="test", run_id=run, service="orders", payload=payload.to_json()
            )
        )

    def open(self) -> None:
        self.record("opened", EventType.RUN_OPENED, self.run)
        self.record("plan", EventType.PLAN_MADE, self.plan)

    def decide(self, ruling: Ruling = Ruling.ACT_ALONE, *, mode: Mode = Mode.AUTO, digest: str = "") -> None:
        decision = Decision(
            plan_digest=digest or self.plan.digest,
            ruling=ruling,
            rule="test",
            reason="",
            policy_digest="p",
            engine="test",
            mode=mode,
            quorum={Ruling.ACT_WITH_APPROVAL: 1, Ruling.ACT_WITH_QUORUM: 2}.get(ruling, 0),
            at=self.room.clock.now(),
        )
        self.record("decision", EventType.DECISION_MADE, decision)

    def use_approval(self, digest: str = "", run_id: str | None = None) -> None:
        used = ApprovalChanged(
            approval_id="apr", run_id=run_id or self.run.id, plan_digest=digest or self.plan.digest, by="ann"
        )
        self.record("approval.used", EventType.APPROVAL_USED, used, run_id)

    def lock(self) -> None:
        keys = [target.key for target in self.plan.targets]
        taken = self.room.record.run(lambda tx: locks.take(tx, self.run, keys, self.room.clock.now()))
        assert isinstance(taken, LocksTaken)
        self.fence = taken.fence

    def intend(self) -> None:
        intended = StepIntended(run_id=self.run.id, step_id="write", uses="note.write", at=self.room.clock.now())
        self.record("step/write/intended/1", EventType.STEP_INTENDED, intended)

    def authorise(self) -> None:
        self.open()
        self.decide()
        self.lock()
        self.intend()

    def warrant(self) -> Warrant:
        return Warrant(run_id=self.run.id, plan_digest=self.plan.digest, fence=self.fence)

    def perform(self, of: Plan | None = None, warrant: Warrant | None = None) -> Outcome:
        made = of or self.plan
        journal = KeptJournal(self.room.vault)
        planned = made.steps[0]
        return self.gate.perform(made, planned, planned.parameters, warrant or self.warrant(), journal)

    @property
    def is_written(self) -> bool:
        return self.target.read_text() != "old"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    target = tmp_path / "a.txt"
    target.write_text("old")
    made = plan(step(target, "new"), clauses=(expect(target, "new"),))
    room = Room(tmp_path, Script(made))
    run = Run(
        id=room.mint.mint("run"),
        kind=RunKind.HEAL,
        service="orders",
        environment="test",
        requested_by="grace",
        opened_at=room.clock.now(),
    )
    yield Scene(room, target, made, run, Gate(dict(room.actions), RecordedAuthority(room.record)))
    room.close()


def test_what_the_record_allows_is_done(scene: Scene) -> None:
    scene.authorise()
    assert scene.perform().state is StepState.DONE
    assert scene.is_written


def compensated(scene: Scene) -> Outcome:
    planned = scene.plan.steps[0]
    parameters = {} if planned.undo is None else planned.undo.parameters
    journal = KeptJournal(scene.room.vault)
    return scene.gate.compensate(scene.plan, planned, parameters, scene.warrant(), journal)


def nothing_on_record(scene: Scene) -> Outcome:
    return scene.perform()


def no_decision(scene: Scene) -> Outcome:
    scene.open()
    scene.lock()
    scene.intend()
    return scene.perform()


def a_decision_on_another_plan(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(digest="sha256:other")
    scene.lock()
    scene.intend()
    return scene.perform()


def denied(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(Ruling.DENIED)
    scene.lock()
    scene.intend()
    return scene.perform()


def observe_mode(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(mode=Mode.OBSERVE)
    scene.lock()
    scene.intend()
    return scene.perform()


def tier_two_without_an_approval(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(Ruling.ACT_WITH_APPROVAL)
    scene.lock()
    scene.intend()
    return scene.perform()


def an_approval_of_another_digest(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(Ruling.ACT_WITH_APPROVAL)
    scene.use_approval(digest="sha256:other")
    scene.lock()
    scene.intend()
    return scene.perform()


def an_approval_used_by_another_run(scene: Scene) -> Outcome:
    scene.open()
    scene.decide(Ruling.ACT_WITH_APPROVAL)
    scene.use_approval(run_id="run_other")
    scene.lock()
    scene.intend()
    return scene.perform()


def one_parameter_changed(scene: Scene) -> Outcome:
    scene.authorise()
    other = plan(step(scene.target, "evil"), clauses=(expect(scene.target, "new"),))
    return scene.perform(of=other)


def one_parameter_changed_with_a_forged_warrant(scene: Scene) -> Outcome:
    scene.authorise()
    other = plan(step(scene.target, "evil"), clauses=(expect(scene.target, "new"),))
    return scene.perform(of=other, warrant=scene.warrant().model_copy(update={"plan_digest": other.digest}))


def one_parameter_changed_in_place(scene: Scene) -> Outcome:
    scene.authorise()
    scene.plan.steps[0].parameters["text"] = "evil"
    return scene.perform()


def one_parameter_changed_in_place_with_a_forged_warrant(scene: Scene) -> Outcome:
    scene.authorise()
    scene.plan.steps[0].parameters["text"] = "evil"
    return scene.perform(warrant=scene.warrant().model_copy(update={"plan_digest": scene.plan.digest_now()}))


def a_halt(scene: Scene) -> Outcome:
    scene.authorise()
    halt = HaltChanged(halt_id="hlt", scope="*", by="ann", reason="")
    scene.room.record.append(Draft(key="hlt", type=EventType.HALT_STARTED, actor="ann", payload=halt.to_json()))
    return scene.perform()


def a_halt_of_this_service(scene: Scene) -> Outcome:
    scene.authorise()
    halt = HaltChanged(halt_id="hlt", scope="orders", by="ann", reason="")
    scene.room.record.append(Draft(key="hlt", type=EventType.HALT_STARTED, actor="ann", payload=halt.to_json()))
    return scene.perform()


def no_lock(scene: Scene) -> Outcome:
    scene.open()
    scene.decide()
    scene.intend()
    return scene.perform()


def an_old_fence(scene: Scene) -> Outcome:
    scene.authorise()
    return scene.perform(warrant=scene.warrant().model_copy(update={"fence": scene.fence - 1}))


def no_intent(scene: Scene) -> Outcome:
    scene.open()
    scene.decide()
    scene.lock()
    return scene.perform()


def a_settled_run(scene: Scene) -> Outcome:
    scene.authorise()
    settled = Settlement(run_id=scene.run.id, kind=SettlementKind.ABORTED, sentence="", at=scene.room.clock.now())
    scene.record("settled", EventType.RUN_SETTLED, settled)
    return scene.perform()


def the_target_is_a_link_to_elsewhere_now(scene: Scene) -> Outcome:
    scene.authorise()
    moved = scene.plan.steps[0].model_copy(update={"parameters": {"path": str(scene.target) + "2", "text": "new"}})
    return scene.gate.perform(
        scene.plan, scene.plan.steps[0], moved.parameters, scene.warrant(), KeptJournal(scene.room.vault)
    )


def an_undeclared_parameter(scene: Scene) -> Outcome:
    scene.authorise()
    planned = scene.plan.steps[0]
    return scene.gate.perform(
        scene.plan, planned, {**planned.parameters, "force": True}, scene.warrant(), KeptJournal(scene.room.vault)
    )


def a_way_back_that_was_never_needed(scene: Scene) -> Outcome:
    undo = Undo(uses="note.send", parameters={"path": str(scene.target), "text": "evil"})
    scene.plan = plan(step(scene.target, "new", undo=undo), clauses=(expect(scene.target, "new"),))
    scene.open()
    scene.decide()
    scene.lock()
    return compensated(scene)


@pytest.mark.parametrize(
    "way_in",
    [
        nothing_on_record,
        no_decision,
        a_decision_on_another_plan,
        denied,
        observe_mode,
        tier_two_without_an_approval,
        an_approval_of_another_digest,
        an_approval_used_by_another_run,
        one_parameter_changed,
        one_parameter_changed_with_a_forged_warrant,
        one_parameter_changed_in_place,
        one_parameter_changed_in_place_with_a_forged_warrant,
        a_halt,
        a_halt_of_this_service,
        no_lock,
        an_old_fence,
        no_intent,
        a_settled_run,
        the_target_is_a_link_to_elsewhere_now,
        an_undeclared_parameter,
        a_way_back_that_was_never_needed,
    ],
)
def test_every_other_way_in_is_refused(scene: Scene, way_in: Callable[[Scene], Outcome]) -> None:
    outcome = way_in(scene)
    assert outcome.state is StepState.REFUSED, outcome
    assert outcome.why
    assert not scene.is_written


def test_what_was_changed_in_place_has_no_way_back_either(scene: Scene) -> None:
    undo = Undo(uses="note.send", parameters={"path": str(scene.target), "text": "back"})
    scene.plan = plan(step(scene.target, "new", undo=undo), clauses=(expect(scene.target, "new"),))
    scene.authorise()
    undo.parameters["text"] = "evil"
    outcome = compensated(scene)
    assert (outcome.state, outcome.why[:6]) == (StepState.REFUSED, "digest")
    assert not scene.is_written


def test_a_plan_and_each_copy_of_it_has_the_digest_of_its_own_content(scene: Scene) -> None:
    first = scene.plan.digest
    changed: dict[str, object] = {"summary": "another"}
    copies = (copy(scene.plan), deepcopy(scene.plan), scene.plan.model_copy(), pickle.loads(pickle.dumps(scene.plan)))  # noqa: S301 - our own
    assert {made.digest for made in copies} == {first}
    others = (scene.plan.model_copy(update=changed), scene.plan.model_copy(update=changed, deep=True))
    assert {made.digest for made in others} == {digest_of(made.to_json()) for made in others} != {first}
    assert scene.plan == copies[0] == Plan.from_json(scene.plan.to_json())


def test_an_approved_digest_is_let_through(scene: Scene) -> None:
    scene.open()
    scene.decide(Ruling.ACT_WITH_APPROVAL)
    scene.use_approval()
    scene.lock()
    scene.intend()
    assert scene.perform().state is StepState.DONE


def test_a_halt_does_not_stop_a_way_back(scene: Scene) -> None:
    undo = Undo(uses="note.send", parameters={"path": str(scene.target), "text": "back"})
    scene.plan = plan(step(scene.target, "new", undo=undo), clauses=(expect(scene.target, "new"),))
    scene.authorise()
    halt = HaltChanged(halt_id="hlt", scope="*", by="ann", reason="")
    scene.room.record.append(Draft(key="hlt", type=EventType.HALT_STARTED, actor="ann", payload=halt.to_json()))
    outcome = compensated(scene)
    assert outcome.state is StepState.DONE, outcome
    assert scene.target.read_text() == "back"


def test_nothing_but_the_gate_applies_an_action() -> None:
    kinds = {"kit", "think"}  # changesets and filters have an `apply` too, and no action to call it on
    callers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in kinds
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "apply"
    }
    assert callers == {"act/executors/gate.py"}
