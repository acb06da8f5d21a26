"""Answers: each intent done with the verbs that every other route uses, in the caller's name and role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grace.act.healing.telling import tell
from grace.api.chat.choices import Choices
from grace.api.chat.findings import Findings, Seen, unreadable
from grace.api.chat.intents import (
    UNSAID,
    AskForbidden,
    AskHalts,
    AskHelp,
    AskHow,
    AskNotOurs,
    AskPending,
    AskRemedy,
    AskUnclear,
    AskUnreadable,
    AskWhatHappened,
    AskWhatIsWrong,
    AskWhich,
    AskWhy,
    Deed,
    Intent,
    Question,
    Verb,
    WantAnswer,
    WantDrill,
    WantEnd,
    WantHalt,
    WantHaltEnd,
    WantHeal,
    WantPlan,
    WantYesOrNo,
)
from grace.api.chat.remedies import Remedies
from grace.api.chat.replies import Citation, Link, Metadata, RefusedView, Reply, link_to
from grace.api.chat.vocabulary import searched
from grace.api.house import House, Passage
from grace.api.later import said_since
from grace.api.problems import ProblemError, refused
from grace.api.roles import Identity, Role
from grace.api.routes import halt, incidents, runs
from grace.api.service_names import require_declared
from grace.govern.halt.switch import EVERYWHERE
from grace.model.drill import DrillKind
from grace.model.events import EventType
from grace.model.warrant import Refusal

_RUN_COMES_WITHIN_S: Final = 4.0
_PASSAGES: Final = 3
_SAYABLE: Final = (
    "what is wrong",
    "what is wrong with SERVICE",
    "why was this done, why was nothing done: why RUN or INCIDENT",
    "what happened in the last hour, today, since 10:00",
    "what is pending",
    "is anything halted",
    "how do I fix a full disk, how do I fix INCIDENT",
    "plan INCIDENT, heal INCIDENT",
    "halt, halt SERVICE because REASON, end the halt",
    "approve, reject, undo RUN, keep RUN: I show you where",
    "trigger database error: a drill on a scratch database",
)
_HELP: Final = tuple(f"- {line}" for line in _SAYABLE)
_INSTEAD: Final = {
    AskHelp.name: "",
    AskUnclear.name: "I do not know what is asked, and nothing was done. ",
    AskForbidden.name: "Nothing was done, and nothing was changed. ",
    AskNotOurs.name: "GRACE does not do that from here, and nothing was done. ",
}
_TOLD: Final = frozenset(
    {
        EventType.DIAGNOSIS_MADE,
        EventType.PLAN_MADE,
        EventType.PLAN_REFUSED,
        EventType.DECISION_MADE,
        EventType.APPROVAL_REQUESTED,
        EventType.APPROVAL_ANSWERED,
        EventType.APPROVAL_EXPIRED,
        EventType.VERDICT_REACHED,
        EventType.INCIDENT_CLOSED,
        EventType.RUN_SETTLED,
    }
)
"""What answers a why; the rest is in the whole story."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers one caller. What needs a role that the caller lacks is told, and not done."""

    house: House
    caller: Identity
    about: str | None = None

    @property
    def _findings(self) -> Findings:
        return Findings(self.house, self.about)

    def answer(self, intent: Intent, references: Iterable[str] = ()) -> Reply:
        """Do what was asked for and say what came of it; a refusal of the house is an answer too.

        Every id that the message names has to be on the record, or nothing of the message is done.
        """
        try:
            for reference in references:
                self._findings.require(reference)
            return self._answer(intent)
        except ProblemError as error:
            problem = error.problem
            rule = problem.type.rpartition(":")[2]
            return _refusal(intent.name, Refusal(rule=rule, why=problem.detail, next=problem.next))

    def _answer(self, intent: Intent) -> Reply:
        match intent:
            case WantDrill() | WantHalt() | WantHaltEnd() | WantHeal() | WantPlan():
                self._require(Role.OPERATOR)
                return self._do(intent)
            case AskWhich():
                return self._ask_back(intent)
            case AskUnreadable():
                raise unreadable(intent.written)
            case question:
                return self._tell(question)

    def _tell(self, question: Question) -> Reply:
        match question:
            case AskHelp() | AskForbidden() | AskNotOurs() | AskUnclear():
                reply = _said(question, f"{_INSTEAD[question.name]}You can say:", _HELP)
            case AskWhatIsWrong() | AskWhatHappened() | AskHalts() | AskPending():
                reply = self._tell_state(question)
            case AskWhy():
                reply = self._tell_why(question)
            case AskHow():
                reply = self._tell_known(question, "", question.question)
            case AskRemedy():
                reply = self._tell_remedy(question)
            case WantAnswer():
                reply = self._show_question(question)
            case WantYesOrNo():
                reply = self._tell_where_to_answer(question)
            case WantEnd():
                reply = self._show_end(question)
        return reply

    def _tell_state(self, question: AskWhatIsWrong | AskWhatHappened | AskHalts | AskPending) -> Reply:
        """Tell what stands on the record, with links to all that is spoken of."""
        findings = self._findings
        match question:
            case AskWhatIsWrong():
                seen = findings.overview(question.service)
            case AskWhatHappened():
                seen = findings.happened(question.span)
            case AskHalts():
                seen = findings.halts()
            case AskPending():
                seen = findings.pending()
        return _said(question, seen.headline, seen.lines, links=_links(seen))

    def _tell_remedy(self, question: AskRemedy) -> Reply:
        identity = self._findings.incident(question.about)
        remedy = Remedies(self.house).of(identity)
        links = [link_to("incident", identity)]
        return _said(question, remedy.headline, remedy.lines, links=links, citations=remedy.citations)

    def _ask_back(self, question: AskWhich) -> Reply:
        """Refuse, and show what could be named instead."""
        seen = Choices(self.house).of(question)
        shown = RefusedView(rule="which", why=seen.headline, next="; ".join(seen.lines[:1]))
        metadata = Metadata(intent=question.name, links=_links(seen), refused=shown)
        return Reply(response="\n".join((f"Not done: {seen.headline}", *seen.lines)), metadata=metadata)

    def _do(self, deed: Deed) -> Reply:
        match deed:
            case WantPlan():
                reply = self._plan(deed)
            case WantHeal():
                reply = self._heal(deed)
            case WantHalt():
                reply = self._halt(deed)
            case WantHaltEnd():
                reply = self._end_halt(deed)
            case WantDrill():
                reply = self._drill(deed)
        return reply

    def _require(self, role: Role) -> None:
        if not self.caller.role.may(role):
            why = f"{self.caller.name} is {self.caller.role}; this needs {role}, in chat as anywhere."
            raise refused(Refusal(rule="role", why=why, next=f"grace token create NAME --role {role}"))

    def _tell_why(self, intent: AskWhy) -> Reply:
        findings = self._findings
        if not intent.words:
            return self._tell_story(intent, *findings.subject(intent.about))
        seen = findings.speaking_of(intent.words)
        if len(seen.incident_ids) == 1:
            return self._tell_story(intent, "incident", seen.incident_ids[0])
        if seen.incident_ids:
            links = [link_to("incident", identity) for identity in seen.incident_ids]
            return _said(intent, seen.headline, (*seen.lines, "Ask again: why INCIDENT"), links=links)
        return self._tell_known(intent, seen.headline, " ".join(intent.words))

    def _tell_story(self, intent: AskWhy, noun: str, identity: str) -> Reply:
        by_run = noun == "run"
        record = self.house.record
        found = list(record.entries(run_id=identity) if by_run else record.entries(incident_id=identity))
        with record.read() as connection:
            since = said_since(connection, {entry.run_id for entry in found if entry.run_id is not None})
        told = tell(identity, [entry for entry in found if entry.type in _TOLD], since)
        lines = [line for chapter in told.chapters for line in (chapter.title, *(f"  {one}" for one in chapter.lines))]
        return _said(intent, f"{identity}: {told.headline}", lines, links=[link_to(noun, identity)])

    def _tell_known(self, intent: AskHow | AskWhy, first: str, words: str) -> Reply:
        """Cite what the packs know; say plainly when they know nothing, rather than cite something else."""
        passages = self.house.knowledge.search(searched(words), _PASSAGES)
        if not passages:
            headline = first or "Nothing in the knowledge packs speaks of that."
            more = ["Nothing in the knowledge packs speaks of that either."] if first else []
            more.append("Ask in other words, or paste the error as it was printed. You can also say:")
            return _said(intent, headline, (*more, *_HELP))
        lines = [line for number, one in enumerate(passages, 1) for line in _told(number, one)]
        citations = [Citation(entry=one.entry, title=one.title, source=one.source) for one in passages]
        cited = "From the knowledge packs; I changed nothing:"
        return _said(intent, f"{first}\n{cited}" if first else cited, lines, citations=citations)

    def _tell_where_to_answer(self, intent: WantYesOrNo) -> Reply:
        seen = self._findings.pending()
        links = [link_to("approval", identity) for identity in seen.approval_ids]
        how = ["Yes and no are not given by a sentence: grace approve ID or grace reject ID shows the plan first."]
        return _said(intent, seen.headline, (*seen.lines, *how), links=links)

    def _show_end(self, intent: WantEnd) -> Reply:
        identity = self._findings.run(intent.run)
        word = "keep" if intent.keeps else "undo"
        lines = [f'To do it, with your reason on the record: grace {word} {identity} --reason "why"']
        if not intent.keeps:
            lines.insert(0, f"To see object by object what would be restored: grace undo {identity} --dry-run")
        if not self.caller.role.may(Role.OPERATOR):
            lines.append(f"It takes the role operator; {self.caller.name} is {self.caller.role}.")
        headline = f"Nothing was done: a sentence does not {word} a run, its own command does."
        return _said(intent, headline, lines, links=[link_to("run", identity)])

    def _show_question(self, intent: WantAnswer) -> Reply:
        identity = self._findings.waiting_approval(intent.approval)
        word = "approve" if intent.grants else "reject"
        lines = [
            f"Read plan, contract and way back first: grace {word} {identity}",
            "An answer is bound to the digest of exactly the plan that is shown, so a sentence cannot give it.",
        ]
        if not self.caller.role.may(Role.APPROVER):
            lines.append(f"It takes the role approver; {self.caller.name} is {self.caller.role}.")
        return _said(intent, f"{identity} waits for an answer.", lines, links=[link_to("approval", identity)])

    def _plan(self, intent: WantPlan) -> Reply:
        identity = self._findings.incident(intent.incident)
        foreseen = incidents.plan(identity, incidents.WantedPlan(), self.caller, self.house)
        diagnosis, plan, decision = foreseen.diagnosis, foreseen.plan, foreseen.decision
        lines = [f"cause {diagnosis.cause}, confidence {diagnosis.confidence:.2f}"]
        if plan is None:
            lines.append(f"no plan: {foreseen.why_not}")
        else:
            lines += [f"plan {plan.playbook}: {plan.summary}", *(f"step {one.id}: {one.uses}" for one in plan.steps)]
        if decision is not None:
            lines.append(f"{decision.ruling}: {decision.reason} ({decision.rule})")
        headline = f"What I would do about {identity}; nothing was touched:"
        return _said(intent, headline, lines, links=[link_to("incident", identity)])

    def _heal(self, intent: WantHeal) -> Reply:
        identity = self._findings.incident(intent.incident)
        opened = runs.open_run(runs.NewRun(incident_id=identity), self.caller, self.house)
        lines = [f"Follow it: grace explain {opened.id}"]
        return _said(intent, f"{opened.id} is open for {identity}.", lines, links=[link_to("run", opened.id)])

    def _halt(self, intent: WantHalt) -> Reply:
        if strange := tuple(one for one in intent.services if not self._may_be_halted(one)):
            return self._ask_back(AskWhich(Verb.HALT, strange))
        scopes = intent.services or (EVERYWHERE,)
        made = [halt.start(halt.NewHalt(scope=one, reason=intent.reason), self.caller, self.house) for one in scopes]
        ends = " or ".join(_end_command(one.scope) for one in made)
        lines = [
            "New deeds stop within a second, runs under way at their next safe point; a way back is never stopped.",
            f"It stands until somebody ends it: {ends}",
        ]
        where = " and ".join(_where(one.scope) for one in made)
        return _said(intent, f"Halted {where} by {made[0].by}: {made[0].reason}", lines, links=[_HALTS])

    def _may_be_halted(self, service: str) -> bool:
        try:
            require_declared(self.house, service, "halt {}")
        except ProblemError:
            return False
        return True

    def _end_halt(self, intent: WantHaltEnd) -> Reply:
        standing = self.house.halts.standing()
        wanted = intent.halts or (EVERYWHERE,)
        ended = [one for one in standing if intent.every or one.scope in wanted or one.id.lower() in wanted]
        known = {one.name for one in self.house.declared.services()} | {EVERYWHERE}
        met = known.union(*((one.scope, one.id.lower()) for one in ended))
        if strange := tuple(name for name in wanted if name not in met):
            return self._ask_back(AskWhich(Verb.END_HALT, strange))
        for one in ended:
            halt.end(one.id, halt.Ending(reason=UNSAID), self.caller, self.house)
        left = self._findings.halts().lines
        where = " and ".join(map(_where, [one.scope for one in ended] or wanted))
        headline = f"The halt {where} has ended." if ended else f"No halt stands {where}."
        return _said(intent, headline, left, links=[_HALTS])

    def _drill(self, intent: WantDrill) -> Reply:
        started = self.house.drills.start(DrillKind.DATABASE_LOCKED, self.caller.name)
        if isinstance(started, Refusal):
            raise refused(started)
        drill = self.house.drills.wait_for_run(started, _RUN_COMES_WITHIN_S)
        lines = [f"A program writes to {drill.database}; another took its write lock and hangs."]
        links: list[Link] = []
        if drill.incident_id:
            lines.append(f"Its failures are {drill.incident_id}.")
            links.append(link_to("incident", drill.incident_id))
        if drill.run_id:
            lines.append(f"{drill.run_id} is at work on it; follow it: grace explain {drill.run_id}")
            links.append(link_to("run", drill.run_id))
        headline = f"Drill {drill.id}: a scratch database is locked for real."
        return _said(intent, headline, lines, links=links)


_HALTS: Final = Link(rel="halts", href="/api/halt", command="grace status")


def _links(seen: Seen) -> list[Link]:
    named = (("incident", seen.incident_ids), ("approval", seen.approval_ids), ("run", seen.run_ids))
    return [link_to(noun, identity) for noun, identities in named for identity in identities]


def _where(scope: str) -> str:
    return "everywhere" if scope == EVERYWHERE else f"for {scope}"


def _end_command(scope: str) -> str:
    return "grace halt --end" if scope == EVERYWHERE else f"grace halt --end --service {scope}"


def _told(number: int, passage: Passage) -> Iterable[str]:
    yield f"[{number}] {passage.title} (cause {passage.cause})"
    yield from (f"    {line}" for line in passage.advice)
    if passage.playbooks:
        yield f"    playbooks: {', '.join(passage.playbooks)}"
    yield f"    source: {passage.source}"


def _said(
    intent: Intent,
    headline: str,
    lines: Iterable[str],
    *,
    links: Iterable[Link] = (),
    citations: Iterable[Citation] = (),
) -> Reply:
    metadata = Metadata(intent=intent.name, links=list(links), citations=list(citations))
    return Reply(response="\n".join((headline, *lines)), metadata=metadata)


def _refusal(intent: str, refusal: Refusal) -> Reply:
    said = f"Not done: {refusal.why}" + (f"\nNext: {refusal.next}" if refusal.next else "")
    shown = RefusedView(rule=refusal.rule, why=refusal.why, next=refusal.next)
    return Reply(response=said, metadata=Metadata(intent=intent, refused=shown))
