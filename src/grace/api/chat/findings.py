"""Findings: what stands on the record now, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, func, select

from grace.api.chat.intents import LAST, THIS
from grace.api.chat.references import is_readable, kind_of
from grace.api.chat.spans import OnWeekday, Span
from grace.api.house import House
from grace.api.problems import ProblemError
from grace.api.routes.runs import plan_document
from grace.api.service_names import require_known
from grace.kit.ids import normal_beginning
from grace.model.approval import ApprovalState
from grace.model.incident import IncidentState
from grace.model.plan import Plan
from grace.record.store.tables import approvals, incidents, quarantines, runs

_SHOWN: Final = 5
_SEARCHED: Final = 500
"""So many incidents are looked through for words, those that are open and newest first."""
_ENDINGS: Final = ("ing", "ed", "es", "s")
_SHORTEST_STEM: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """A headline, what is beneath it, and the ids that it speaks of."""

    headline: str
    lines: tuple[str, ...] = ()
    incident_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    approval_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """Reads the record for one answer."""

    house: House
    about: str | None = None
    """What the caller says that the talk is about: a run, an incident or a question; its id or `@last`."""

    def overview(self, service: str | None) -> Seen:
        """Say what is open, of everything or of one service; nothing open is not called healthy."""
        if service is not None:
            require_known(self.house, service, incidents, "what is wrong with {}")
        where = incidents.c.state == IncidentState.OPEN.value
        if service is not None:
            where &= incidents.c.service == service
        with self.house.record.read() as connection:
            count = connection.execute(select(func.count()).select_from(incidents).where(where)).scalar_one()
            newest = select(incidents).where(where).order_by(incidents.c.last_seen.desc()).limit(_SHOWN)
            rows = connection.execute(newest).all()
            told = tuple(
                f"{row.id}: {row.service} ({row.environment}), {row.title}; {row.count} times, "
                f"cause {row.cause or 'not diagnosed yet'}; {_work_on(connection, row.id)}"
                for row in rows
            )
        lines = (*told, *self._stopped())
        return Seen(self._headline(count, service), lines, incident_ids=tuple(row.id for row in rows))

    def pending(self) -> Seen:
        """Say what waits for a person: questions, and targets that are closed until somebody decides."""
        with self.house.record.read() as connection:
            waiting = approvals.c.state == ApprovalState.WAITING.value
            asked = connection.execute(select(approvals).where(waiting).order_by(approvals.c.requested_at)).all()
            closed = connection.execute(select(quarantines).where(quarantines.c.ended_at.is_(None))).all()
            lines = [
                f"{row.id}: {_summary(connection, row.plan_digest)}; asked by {row.requester}, "
                f"{row.quorum} must agree, ends in no at {row.expires_at.isoformat(timespec='seconds')}"
                for row in asked
            ]
        lines += [f"{row.target} is closed until {row.run_id} is kept or undone" for row in closed]
        headline = f"Waiting for a person: questions {len(asked)}, closed targets {len(closed)}."
        queued = self.house.restraint.counts().waiting
        queue = (f"Open incidents whose run has not begun: {queued}. Why: grace restraint list",) if queued else ()
        return Seen(
            headline if lines else "Nothing waits for a person.",
            (*lines, *queue),
            run_ids=tuple(dict.fromkeys(row.run_id for row in closed)),
            approval_ids=tuple(row.id for row in asked),
        )

    def halts(self) -> Seen:
        """Say which halts stand."""
        lines = self._stopped()
        return Seen("New deeds are halted." if lines else "No halt stands: new deeds may begin.", lines)

    def subject(self, about: str) -> tuple[str, str]:
        """Return what a why is about: a run or an incident; unnamed: of the talk, else the newest run."""
        named = (self.about or LAST) if about == THIS else about
        if named != LAST:
            is_incident = kind_of(self._readable(named)) == "inc"
            return ("incident", self.incident(named)) if is_incident else ("run", self.run(named))
        with self.house.record.read() as connection:
            run_id = connection.execute(select(runs.c.id).order_by(runs.c.id.desc()).limit(1)).scalar()
        return ("incident", self.incident(LAST)) if run_id is None else ("run", run_id)

    def speaking_of(self, words: Sequence[str]) -> Seen:
        """Return the incidents that speak of most of the words, in title, cause, service or labels; open ones first."""
        newest = select(incidents).order_by(
            (incidents.c.state == IncidentState.OPEN.value).desc(), incidents.c.last_seen.desc()
        )
        with self.house.record.read() as connection:
            rows = connection.execute(newest.limit(_SEARCHED)).all()
        spoken = {row.id: sum(_stem(word) in _said_of(row) for word in words) for row in rows}
        most = max(spoken.values(), default=0)
        good = [row for row in rows if spoken[row.id] == most and most * 2 > len(words)]
        said = " ".join(words)
        headline = f"{len(good)} incidents speak of {said}:" if good else f"No incident on the record speaks of {said}."
        lines = [f"{row.id}: {row.service}, {row.title}; {row.state}, last seen {_when(row.last_seen)}" for row in good]
        shown = tuple(lines[:_SHOWN])
        if len(lines) > _SHOWN:
            shown = (*shown, f"and {len(lines) - _SHOWN} more: grace incidents")
        return Seen(headline, shown, incident_ids=tuple(row.id for row in good))

    def happened(self, span: Span) -> Seen:
        """Say which incidents were opened and which runs settled in a span, newest first."""
        start, end = _bounds(span, self.house.clock.now())
        with self.house.record.read() as connection:
            opened = connection.execute(
                select(incidents)
                .where(*_between(incidents.c.opened_at, start, end))
                .order_by(incidents.c.opened_at.desc())
            ).all()
            settled = connection.execute(
                select(runs).where(*_between(runs.c.settled_at, start, end)).order_by(runs.c.settled_at.desc())
            ).all()
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(row.settlement for row in settled).items()))
        lines = [f"{row.id}: {row.service}, {row.title}; {row.count} times, {row.state}" for row in opened[:_SHOWN]]
        lines += [f"{row.id}: {row.kind} of {row.service} {row.settlement}" for row in settled[:_SHOWN]]
        if len(opened) > _SHOWN or len(settled) > _SHOWN:
            lines.append("These are the newest; all of them: grace incidents, grace runs")
        ended = f"runs settled {len(settled)}" + (f" ({kinds})" if kinds else "")
        return Seen(
            f"{f'Since {_when(start)}' if end is None else f'On {start:%A %Y-%m-%d} (UTC)'}: "
            f"incidents opened {len(opened)}, {ended}.",
            tuple(lines),
            incident_ids=tuple(row.id for row in opened[:_SHOWN]),
            run_ids=tuple(row.id for row in settled[:_SHOWN]),
        )

    def require(self, reference: str) -> None:
        """Raise a 404 problem for an id that nothing on the record has, whatever was asked about it."""
        match kind_of(reference):
            case "inc":
                self._one(incidents, reference, "incident")
            case "run":
                self._one(runs, reference, "run")
            case "apr":
                self._one(approvals, reference, "approval")
            case _:
                return

    def open_incidents(self, services: Sequence[str] = ()) -> tuple[Row[Any], ...]:
        """Return the open incidents, of some services or of all, newest first."""
        where = incidents.c.state == IncidentState.OPEN.value
        if services:
            where &= incidents.c.service.in_(services)
        with self.house.record.read() as connection:
            newest = select(incidents).where(where).order_by(incidents.c.last_seen.desc())
            return tuple(connection.execute(newest.limit(_SHOWN + 1)).all())

    def run(self, named: str) -> str:
        """Return the id of a run; raise a 404 problem where there is none, or more than one."""
        named = (self.about or LAST) if named == THIS else named
        match kind_of(named):
            case "apr":
                return self._of("run_id", approvals, self._one(approvals, named, "approval"))
            case "inc":
                of_it = runs.c.incident_id == self._one(incidents, named, "incident")
                return self._one(runs, LAST, "run", of_it)
            case _:
                return self._one(runs, named, "run")

    def incident(self, named: str) -> str:
        """Return the id of an incident; raise a 404 problem where there is none, or more than one."""
        if named == THIS and self.about is None:
            return self._only(
                self.open_incidents(), "open incident", "heal INCIDENT, plan INCIDENT, how do I fix INCIDENT"
            )
        named = (self.about or LAST) if named == THIS else named
        if kind_of(named) in {"run", "apr"}:
            return self._of("incident_id", runs, self.run(named))
        return self._one(incidents, named, "incident")

    def waiting_approval(self, named: str) -> str:
        """Return the id of a question that waits; raise a 404 problem where there is none, or more than one."""
        is_waiting = approvals.c.state == ApprovalState.WAITING.value
        if named == THIS and kind_of(self.about or "") != "apr":
            with self.house.record.read() as connection:
                rows = connection.execute(select(approvals).where(is_waiting).limit(_SHOWN + 1)).all()
            return self._only(rows, "waiting approval", "approve APPROVAL")
        return self._one(approvals, (self.about or LAST) if named == THIS else named, "waiting approval", is_waiting)

    def _only(self, rows: Sequence[Row[Any]], noun: str, again: str) -> str:
        """Return the id of the only row; raise a problem that names them where there are several, or none."""
        if len(rows) == 1:
            return str(rows[0].id)
        rule = noun.rsplit(maxsplit=1)[-1]
        if not rows:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no-{rule}", f"There is no {noun}.", "what is wrong")
        named = ", ".join(row.id for row in rows[:_SHOWN]) + (", ..." if len(rows) > _SHOWN else "")
        why = f"There is more than one {noun}, and none is named: {named}."
        raise ProblemError(HTTPStatus.CONFLICT, f"which-{rule}", why, again)

    def _of(self, column: str, table: Table, identity: str) -> str:
        with self.house.record.read() as connection:
            found = connection.execute(select(table.c[column]).where(table.c.id == identity)).scalar()
        if found is None:
            what = column.removesuffix("_id")
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no-{what}", f"{identity} has no {what}.", "what is wrong")
        return str(found)

    def _one(self, table: Table, named: str, noun: str, *where: ColumnElement[bool]) -> str:
        query = select(table.c.id).where(*where)
        if named == LAST:
            query = query.order_by(table.c.id.desc()).limit(1)
        else:
            query = query.where(table.c.id.startswith(normal_beginning(self._readable(named)), autoescape=True)).limit(
                2
            )
        with self.house.record.read() as connection:
            found = connection.execute(query).scalars().all()
        if len(found) == 1:
            return str(found[0])
        none = f"there is no {noun} yet" if named == LAST else f"no {noun} begins with {named}"
        why = none if not found else f"{named} begins more than one {noun}"
        raise ProblemError(HTTPStatus.NOT_FOUND, f"no-{noun.rsplit(maxsplit=1)[-1]}", f"{why}.", "what is wrong")

    def _readable(self, named: str) -> str:
        if not is_readable(named):
            raise unreadable(named)
        return named

    def _headline(self, count: int, service: str | None) -> str:
        where = "" if service is None else f" of {service}"
        if count:
            return f"{count} open incident{'' if count == 1 else 's'}{where}."
        services = self.house.declared.services()
        if not services:
            return "Nothing is watched: no service is declared. `grace init` proposes a grace.yaml."
        modes = ", ".join(f"{n} in {mode}" for mode, n in sorted(Counter(str(one.mode) for one in services).items()))
        return f"No open incident{where}. Watched: {len(services)} ({modes}). What nobody reports I do not see."

    def _stopped(self) -> tuple[str, ...]:
        halts = self.house.halts.standing()
        return tuple(
            f"Halted {'everywhere' if h.scope == '*' else f'for {h.scope}'} by {h.by}: {h.reason}" for h in halts
        )


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _said_of(row: Row[Any]) -> str:
    labels = row.doc.get("labels", {})
    return f"{row.title} {(row.cause or '').replace('_', ' ')} {row.service} {' '.join(labels.values())}".lower()


def _bounds(span: Span, now: datetime) -> tuple[datetime, datetime | None]:
    """Return where a span begins, and where it ends when it does not last until now."""
    return span.start(now), span.end(now) if isinstance(span, OnWeekday) else None


def _between(at: Column[datetime], start: datetime, end: datetime | None) -> list[ColumnElement[bool]]:
    return [at >= start] if end is None else [at >= start, at < end]


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def unreadable(written: str) -> ProblemError:
    """Return the problem with a word that looks like an id and is none."""
    why = (
        f"{written} is not an id. An id is a prefix, an underscore and up to 26 letters and digits, in either case; "
        "a beginning will do that no other has."
    )
    return ProblemError(HTTPStatus.NOT_FOUND, "no-id", why, "what is wrong")


def _work_on(connection: Connection, incident_id: str) -> str:
    mine = select(runs).where(runs.c.incident_id == incident_id).order_by(runs.c.id.desc()).limit(1)
    run = connection.execute(mine).first()
    if run is None:
        return "no run yet"
    return f"{run.id} {run.settlement or f'is at {run.stage}'}"


def _summary(connection: Connection, digest: str) -> str:
    document = plan_document(connection, digest)
    if document is None:
        return f"a plan whose payload was erased ({digest})"
    plan = Plan.model_validate(document)
    return f"{plan.summary} ({plan.playbook}, {plan.service})"
