"""`grace approve` and `grace reject`: the answer of a named person to exactly the plan that was shown."""

from __future__ import annotations

from typing import Annotated

import typer

from grace.cli.calls import LAST, CommandFailed, Session
from grace.cli.exits import Exit
from grace.cli.plan_page import show_decision, show_plan
from grace.cli.screen import marked
from grace.cli.views import ApprovalView, RunDetail
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, now
from grace.model.approval import ApprovalState
from grace.model.decision import Decision
from grace.model.plan import Plan

app = command_file()

APPROVALS = "/api/autonomy/approvals"

Question = Annotated[str, typer.Argument(metavar="RUN|APPROVAL", help="A unique beginning of an id, or @last.")]
Digest = Annotated[str, typer.Option(metavar="DIGEST", help="Answer only if the plan has this digest.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on the record.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]


class Asked(ApprovalView):
    """A question with the plan that it is about."""

    plan: Plan
    decision: Decision | None = None


@app.command("approve")
@online
def approve(
    session: Session, question: Question, *, digest: Digest = "", reason: Reason = "", yes: Yes = False
) -> None:
    """Show the plan, ask, and say yes to its digest; a plan that changes meanwhile is not approved."""
    _answer(session, question, digest, reason, grants=True, yes=yes)


@app.command("reject")
@online
def reject(session: Session, question: Question, *, digest: Digest = "", reason: Reason = "", yes: Yes = False) -> None:
    """Show the plan, ask, and say no; one no is enough."""
    _answer(session, question, digest, reason, grants=False, yes=yes)


def _answer(session: Session, question: str, digest: str, reason: str, *, grants: bool, yes: bool) -> None:
    asked = _read(session, question)
    shown = asked.plan.digest  # computed from what is shown, so that the answer is about nothing else
    if shown != asked.plan_digest:
        raise CommandFailed(
            Exit.FAULT,
            f"the server asks about {asked.plan_digest} but shows the plan {shown}",
            f"grace explain {asked.run_id}",
        )
    if digest and digest != shown:
        raise CommandFailed(
            Exit.REFUSED, f"the plan of {asked.run_id} is {shown}, not {digest}", f"grace approve {asked.run_id}"
        )
    if session.screen.as_json:
        _require_known(asked, digest, yes=yes)
    else:
        _show(session, asked)
    if not yes:
        _make_sure(session, asked, grants=grants)
    verb = "approve" if grants else "reject"
    document = session.post(f"{APPROVALS}/{asked.id}", {"decision": verb, "reason": reason, "plan_digest": shown})
    if session.screen.as_json:
        session.screen.data(document)
        return
    _show_answered(session, session.read(ApprovalView, document))


def _require_known(asked: Asked, digest: str, *, yes: bool) -> None:
    """Refuse to answer for somebody who was shown nothing and names nothing."""
    if not digest or not yes:
        raise CommandFailed(
            Exit.USAGE,
            "with --json nothing is shown and nobody is asked: name the plan with --digest, and add --yes",
            f"grace approve {asked.run_id}",
        )


def _read(session: Session, written: str) -> Asked:
    """Find a question that waits, by its own id or by its run's: both have the same letters behind the prefix.

    `@last` is the newest that waits; where none does, the newest is told with what became of it.
    """
    own = f"apr{written[3:]}" if written.lower().startswith("run") else written
    waits = own == LAST and session.items(APPROVALS, {"state": ApprovalState.WAITING.value, "limit": 1})
    approval_id = session.resolve(APPROVALS, own, "approval", {"state": ApprovalState.WAITING.value} if waits else None)
    asked = session.read(Asked, session.get(f"{APPROVALS}/{approval_id}"))
    if asked.state != ApprovalState.WAITING or asked.expires_at <= now():
        raise _over(session, asked)
    return asked


def _over(session: Session, asked: Asked) -> CommandFailed:
    """Say when and how a question ended, and what became of its run."""
    run = session.read(RunDetail, session.get(f"/api/runs/{asked.run_id}"))
    if asked.state in {ApprovalState.WAITING, ApprovalState.EXPIRED}:
        what = f"{asked.id} expired {ago(asked.expires_at, now())}, at {asked.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    else:
        what = f"{asked.id} is {asked.state} already, by {', '.join(one.by for one in asked.answers)}"
    became = f"{run.settlement}: {run.sentence}" if run.settlement else f"at the stage {run.stage}"
    return CommandFailed(Exit.REFUSED, f"{what}; {run.id} is {became}", f"grace explain {run.id}")


def _show(session: Session, asked: Asked) -> None:
    show_plan(session.screen, asked.plan)
    if asked.decision is not None:
        show_decision(session.screen, asked.decision)
    session.screen.heading("Question")
    session.screen.facts(
        [
            ("approval", asked.id),
            ("run", asked.run_id),
            ("asked by", f"{asked.requester}, who may not answer"),
            ("answers", f"{sum(one.grants for one in asked.answers)} of {asked.quorum} yes"),
            ("ends", f"{ago(asked.expires_at, now())}, then no"),
        ]
    )
    session.screen.bullets(f"{one.by}: {'yes' if one.grants else 'no'} {one.reason}".rstrip() for one in asked.answers)


def _make_sure(session: Session, asked: Asked, *, grants: bool) -> None:
    verb = "Approve" if grants else "Reject"
    said = session.screen.confirm(f"{verb} {asked.plan.digest}?")
    if said is None:
        raise CommandFailed(
            Exit.USAGE,
            "there is no terminal to ask on, and nothing was answered",
            f"grace {verb.lower()} {asked.run_id} --digest {asked.plan.digest} --yes",
        )
    if not said:
        raise CommandFailed(Exit.REFUSED, "nothing was answered", f"grace explain {asked.run_id}")


def _show_answered(session: Session, approval: ApprovalView) -> None:
    yes = sum(one.grants for one in approval.answers)
    session.screen.line(marked(approval.state, f"{yes} of {approval.quorum} yes"))
    session.screen.line(f"next: grace explain {approval.run_id}")
