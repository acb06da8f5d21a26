"""Scene 3: a plan waits for a person; only the right person's yes to exactly this plan lets it run, once."""

from __future__ import annotations

from typing import Final

from grace_sdk.client import ApiProblem

from grace.demo.cast import Cast
from grace.demo.scene import Played, open_incident
from grace.demo.telling import short, without_digests
from grace.model.events import EventType
from grace.model.settlement import SettlementKind

_PLAYBOOK: Final = "orders-set-price"
_RIGHT: Final = {"price_cents": "450"}
_OTHER: Final = {"price_cents": "451"}


def play(cast: Cast) -> list[Played]:
    """Play the scene: the damaged price is still there, and only a person knows the right one."""
    report, olga, ann = cast.report, cast.olga, cast.ann
    incident = open_incident(cast, "which is no price")
    other = olga.foresee(incident.id, _PLAYBOOK, _OTHER).plan
    run = olga.heal(incident.id, _PLAYBOOK, _RIGHT)
    report.tell("asked", "olga asks for 450 cents; the policy wants one other person to agree")
    question = olga.question_of(run.id)
    follower = cast.follower()
    follower.tell(run.id)
    changed = ann.approve(question.id, other.digest if other else "", "for 451")
    _refused(cast, f"ann's yes to the same plan with 451 ({short(other.digest) if other else 'no plan'})", changed)
    _refused(cast, "olga's own yes", olga.approve(question.id, question.plan_digest, "I asked for it"))
    waiting = follower.tell(run.id)
    report.claim("nothing has run so far", true=waiting.execution is None and waiting.settlement is None)
    granted = ann.approve(question.id, question.plan_digest, "450 is right")
    report.tell("answered", f"ann says yes to {short(question.plan_digest)}")
    tale = follower.follow(run.id)
    report.claim("the yes of another person to this plan was taken", true=granted is None)
    executed = tale.execution.plan_digest if tale.execution else ""
    report.claim("exactly the approved digest ran", true=executed == question.plan_digest, shown=short(executed))
    _refused(cast, "a second yes", ann.approve(question.id, question.plan_digest, "once more"))
    _refused(cast, "the same heal again", olga.refused_heal(incident.id, _PLAYBOOK, _RIGHT))
    uses = len(tale.of(EventType.APPROVAL_USED)), len(tale.of(EventType.EXECUTION_STARTED))
    report.claim(
        "the approval was used once, for one execution",
        true=uses == (1, 1),
        shown=f"{uses[0]} use, {uses[1]} execution",
    )
    (price,) = cast.rows("SELECT price_cents FROM prices WHERE item = 'cake'")
    report.claim("the price of cake is the one that was approved", true=price == (450,), shown=f"{price[0]}")
    committed = tale.settlement is not None and tale.settlement.kind is SettlementKind.COMMITTED
    report.claim("the contract held: committed", true=committed)
    return [Played(incident, tale)]


def _refused(cast: Cast, what: str, problem: ApiProblem | None) -> None:
    told = without_digests(f"{problem.status} {problem.detail}") if problem else "it was taken"
    cast.report.claim(f"refused: {what}", true=problem is not None and problem.status in {403, 409}, shown=told)
