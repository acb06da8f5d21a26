"""The desk for work by hand: what a person's command comes to, and its run, which is a run like any other."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from grace.act.healing.beginning import standing_by_hand
from grace.act.healing.handthinking import HandThinker
from grace.act.healing.runs import Runs
from grace.act.healing.worst import Watcher
from grace.act.safehold import Provider
from grace.act.safehold.objections import objections
from grace.kit.digests import digest_of
from grace.kit.ids import IdMint
from grace.kit.redaction import Limits, redact, redact_text
from grace.model.diagnosis import Diagnosis
from grace.model.dry_plan import DryPlan
from grace.model.handwork import BY_HAND, AskedByHand, Handwork
from grace.model.incident import Incident
from grace.model.plan import Plan
from grace.model.run import Run, RunKind
from grace.model.service import Service
from grace.model.settlement import SettlementKind
from grace.model.warrant import Refusal
from grace.record import Reader
from grace.record.reading import noun_at
from grace.think.playbooks.by_hand import recipe_of
from grace.think.playbooks.saving import Done, SavedPlaybook, save

_SHOWN: Final = 20
_LONGEST_TITLE: Final = 200
_WHOLE_COMMAND: Final = Limits(text=16 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would be done, and which indicators nobody will watch because they are unknown."""

    draft: DryPlan
    unwatched: Mapping[str, str]
    objections: tuple[str, ...] = ()
    """Why the state of a target could not be kept now, so that the run would be aborted."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The run that was opened, or that stood under its key already: then nothing was foreseen anew."""

    run_id: str
    foreseen: Foreseen | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A command made into a playbook, beside the incident it is for."""

    recipe: str
    incident: Incident
    foreseen: Foreseen


@dataclass(frozen=True, slots=True)
class HandDesk:
    """Foresees and begins what people do by hand."""

    reader: Reader
    runs: Runs
    mint: IdMint
    thinker: HandThinker
    watcher: Watcher
    providers: Mapping[str, Provider]

    def foresee(self, asked: AskedByHand, by: str, incident: Incident | None = None) -> Foreseen | Refusal:
        """Return diagnosis, plan and decision; change nothing, open nothing."""
        ready = self._ready(asked, by, incident)
        if isinstance(ready, Refusal) or ready.foreseen.draft.plan is None:
            return ready if isinstance(ready, Refusal) else ready.foreseen
        return replace(ready.foreseen, objections=objections(ready.foreseen.draft.plan, self.providers))

    def begin(self, asked: AskedByHand, by: str, *, incident: Incident | None = None, key: str = "") -> Begun | Refusal:
        """Open the run; asked again under the same key, with the same command, return the run that stands."""
        named = f"{key} {digest_of(asked.to_json())}" if key else ""
        if standing := standing_by_hand(self.reader, by, named):
            return Begun(standing, None)
        ready = self._ready(asked, by, incident)
        if isinstance(ready, Refusal):
            return ready
        work = Handwork(recipe=ready.recipe, key=named, has_own_incident=incident is None)
        opened = self.runs.by_hand(self._run(asked, by, ready.incident, work), ready.incident)
        if isinstance(opened, Refusal) and opened.rule == "key-used" and named:
            standing = standing_by_hand(self.reader, by, named)
            return opened if standing is None else Begun(standing, ready.foreseen)
        return opened if isinstance(opened, Refusal) else Begun(opened.id, ready.foreseen)

    def playbook(self, run_id: str, name: str, cause: str | None = None) -> SavedPlaybook | Refusal:
        """Write what a committed run did by hand as a playbook; `cause` where the incident had no known one."""
        run = self.runs.run(run_id)
        diagnosis = noun_at(self.reader.find, f"{run_id}/diagnosis", Diagnosis)
        plan = noun_at(self.reader.find, f"{run_id}/plan", Plan)
        if run is None or run.by_hand is None:
            return Refusal(rule="not-by-hand", why=f"{run_id} was not done by hand", next="grace runs")
        settled = self.runs.settlement(run_id)
        if settled is None or settled.kind is not SettlementKind.COMMITTED or plan is None or diagnosis is None:
            state = "open" if settled is None else settled.kind.value
            why = f"{run_id} is {state}: only what was proven to help is worth a playbook"
            return Refusal(rule="not-committed", why=why, next=f"grace explain {run_id}")
        service = self.thinker.thinker.directory.service(run.service, run.environment)
        if service is None:
            why = f"{run.service} ({run.environment}) is not declared in grace.yaml any more"
            return Refusal(rule="undeclared", why=why, next="Declare it in grace.yaml.")
        shelf = self.thinker.thinker.shelf()
        labels = self.thinker.thinker.incident_of(run).labels
        done = Done(plan, run.by_hand.recipe, service, labels)
        return save(done, name, cause or diagnosis.cause, shelf.means.catalogue, shelf.knowledge.causes)

    def _ready(self, asked: AskedByHand, by: str, incident: Incident | None) -> _Ready | Refusal:
        service = self._service(asked)
        if isinstance(service, Refusal):
            return service
        asked = asked.model_copy(update={"environment": service.environment})
        refusal = _foreign(service, incident) or _shows_a_secret(asked) or _missing(asked.writes)
        if refusal is not None:
            return refusal
        standing = self.watcher.read(service)
        recipe = recipe_of(asked, service, standing.worst, shlex.join(asked.command))
        if isinstance(recipe, Refusal):
            return recipe
        about = incident or self._incident(asked, by, service)
        draft = self.thinker.foresee(about, recipe, by, asked.reason)
        if isinstance(draft, Refusal):
            return draft
        named = {str(clause.get("metric", "")).removeprefix("service.") for clause in asked.expect}
        unwatched = {name: why for name, why in standing.unknown.items() if name not in named}
        return _Ready(recipe, about, Foreseen(draft, unwatched))

    def _service(self, asked: AskedByHand) -> Service | Refusal:
        directory = self.thinker.thinker.directory
        found = (
            directory.named(asked.service)
            if asked.environment is None
            else directory.service(asked.service, asked.environment)
        )
        if found is not None:
            return found
        where = f" ({asked.environment})" if asked.environment else ""
        why = f"there is no service {asked.service}{where} in grace.yaml"
        return Refusal(rule="no-service", why=why, next="Declare it in grace.yaml, or name another with --service.")

    def _incident(self, asked: AskedByHand, by: str, service: Service) -> Incident:
        now = self.thinker.thinker.clock.now()
        incident_id = self.mint.mint("inc")
        title = f"manual change by {by}: {asked.reason or shlex.join(asked.command)}"
        return Incident(
            id=incident_id,
            fingerprint=f"{BY_HAND}/{incident_id}",
            service=service.name,
            environment=service.environment,
            title=title[:_LONGEST_TITLE],
            signal_id=BY_HAND,
            first_seen=now,
            last_seen=now,
        )

    def _run(self, asked: AskedByHand, by: str, incident: Incident, work: Handwork) -> Run:
        return Run(
            id=self.mint.mint("run"),
            kind=RunKind.HEAL,
            incident_id=incident.id,
            occurrence=incident.occurrence,
            service=incident.service,
            environment=incident.environment,
            playbook=BY_HAND,
            requested_by=by,
            reason=asked.reason,
            by_hand=work,
            opened_at=self.thinker.thinker.clock.now(),
        )


def _foreign(service: Service, incident: Incident | None) -> Refusal | None:
    if incident is None or (incident.service, incident.environment) == (service.name, service.environment):
        return None
    why = f"{incident.id} is of {incident.service} ({incident.environment}), not of {service.name}"
    return Refusal(rule="other-service", why=why, next=f"--service {incident.service}")


def _shows_a_secret(asked: AskedByHand) -> Refusal | None:
    """Refuse what redaction would hide: all of it would stand in the plan and on the record."""
    shown = (
        ("the command", asked.command),
        ("--undo", asked.undo),
        ("--reason", (asked.reason,)),
        ("--writes", (*asked.writes, *asked.creates)),
    )
    for what, words in shown:
        if _hides(words):
            why = f"{what} shows what looks like a secret, and would stand in the plan and on the record"
            remedy = "Let the command read it from a file or from its own environment; see docs/doing-by-hand.md."
            return Refusal(rule="secret", why=why, next=remedy)
    clauses = [*asked.expect]
    if redact([*clauses], limits=_WHOLE_COMMAND).value != clauses:
        remedy = "Write a reference (`env:NAME` or `file:/path`) instead of the value."
        return Refusal(rule="secret", why="--expect shows what looks like a secret", next=remedy)
    return None


def _hides(words: Iterable[str]) -> bool:
    """Tell whether redaction would change a word, the line, or two words that stand together."""
    said = [*words]
    lines = (*said, " ".join(said), shlex.join(said))
    if any(redact_text(line, limits=_WHOLE_COMMAND) != line for line in lines):
        return True
    pairs = pairwise(said)
    return any(redact([first.lstrip("-"), second]).value != [first.lstrip("-"), second] for first, second in pairs)


def _missing(paths: Iterable[str]) -> Refusal | None:
    absent = [path for path in paths if not Path(path).exists()]
    if not absent:
        return None
    why = f"there is no {', '.join(absent[:_SHOWN])} on the server's machine, and a misspelt path would protect nothing"
    return Refusal(rule="missing-file", why=why, next="Correct it; for a file that the command makes, say --creates.")
