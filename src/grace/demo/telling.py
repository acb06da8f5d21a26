"""Tell a run while it happens, from its ledger entries: each line says when, what sort of thing, and what."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Final

from pydantic import JsonValue
from rich.text import Text

from grace.demo.page import Report
from grace.demo.tale import Entry, Tale
from grace.demo.visitor import Visitor
from grace.model.contract import Clause, Comparator, Phase
from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.events import PlanRefused
from grace.model.execution import StepResult, Undoing
from grace.model.plan import Found, Plan
from grace.model.reading import Known, Reading, Unknown
from grace.model.settlement import Settlement
from grace.model.snapshot import Snapshot
from grace.model.verdict import ClauseResult, Verdict

_WORDS: Final = {
    Comparator.IS: "is",
    Comparator.IS_NOT: "is not",
    Comparator.AT_MOST: "at most",
    Comparator.AT_LEAST: "at least",
    Comparator.WORSENS_AT_MOST: "worsens at most",
}
_ASKS: Final = {
    Ruling.ACT_ALONE: "acts alone",
    Ruling.ACT_WITH_APPROVAL: "asks one person",
    Ruling.ACT_WITH_QUORUM: "asks several people",
    Ruling.DENIED: "refused",
}
_LONGEST: Final = 108
_TELLING_OUTPUTS: Final = ("by", "rows", "exit_code", "signal")
_LONGEST_REASON: Final = 33
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SHARE: Final = frozenset({"service.error_rate", "service.accepted_share"})


@dataclass(slots=True)
class Follower:
    """Follows runs and tells each entry once."""

    visitor: Visitor
    report: Report
    began_at: datetime
    """When the report began to count its seconds."""
    folder: str
    """The demo's folder, which is left out of what is told."""
    _told: dict[str, int] = field(default_factory=dict[str, int])

    def follow(self, run_id: str, within_s: float = 30) -> Tale:
        """Tell the run until it is settled; return all of it."""

        def look() -> Tale | None:
            tale = self.tell(run_id)
            return tale if tale.settlement is not None else None

        return self.visitor.wait_for(look, f"the settlement of {run_id}", within_s)

    def tell(self, run_id: str) -> Tale:
        """Tell what is new of a run; return all of it."""
        tale = self.visitor.tale(run_id)
        for entry in tale.entries:
            if entry.index > self._told.get(run_id, -1):
                self._tell(entry)
                self._told[run_id] = entry.index
        return tale

    def second(self, at: datetime) -> float:
        return (at - self.began_at).total_seconds()

    def _tell(self, entry: Entry) -> None:
        for label, text in self._lines(entry):
            if label:
                self.report.tell(label, text, self.second(entry.at))
            else:
                self.report.more(text)

    def _lines(self, entry: Entry) -> Iterator[tuple[str, str | Text]]:
        match entry.noun:
            case Diagnosis() as diagnosis:
                yield "cause", _diagnosed(diagnosis)
            case PlanRefused(why=why):
                yield "no plan", why
            case Plan() as plan:
                yield from self._planned(plan)
            case Decision() as decision:
                yield (
                    "decided",
                    f"tier {decision.ruling.tier or '-'}: {_ASKS[decision.ruling]}, by rule {decision.rule}",
                )
                yield "", Text(f"because: {decision.reason}", "bright_black")
            case Snapshot(objects=objects) if objects:
                yield "kept", self._brief(", ".join(f"{one.target.id} {short(one.digest)}" for one in objects))
            case StepResult() as result:
                yield ("undo" if "/undo/" in entry.key else "did"), self._did(result)
            case Verdict() as verdict:
                yield "verdict", self.report.page.marked(verdict.finding, f"after {verdict.window_s:.1f} s")
                yield from (("", line) for line in self._table(verdict))
            case Undoing() as undoing:
                yield from self._undone(undoing)
            case Settlement() as settlement:
                yield "settled", self.report.page.marked(settlement.kind, self._brief(settlement.sentence))
            case _:
                return

    def _planned(self, plan: Plan) -> Iterator[tuple[str, str]]:
        for found in plan.finds:
            yield "found", self._brief(found_line(found))
        for step in plan.steps:
            yield "plan", self._brief(deed(step.uses, step.parameters))
        way_back = {"exact": "undone exactly", "compensable": "undone by its undo steps"}
        shown = way_back.get(plan.reversibility, "cannot be undone")
        yield "", f"{plan.playbook} {plan.version}, {short(plan.digest)}, {shown}"

    def _did(self, result: StepResult) -> str:
        ended = [f"{name} {result.output[name]}" for name in _TELLING_OUTPUTS if result.output.get(name) is not None]
        return self._brief(" ".join([f"{result.uses}: {result.state}", *ended, result.why]))

    def _undone(self, undoing: Undoing) -> Iterator[tuple[str, str]]:
        for one in undoing.restorations:
            path = one.target.id.replace(f"{self.folder}/", "")
            digests = (one.before, one.ours or "-", one.now or one.before)
            before, ours, now = map(short, digests)
            yield "restored", f"{path}: {one.state} (before {before}, ours {ours}, now {now})"

    def _table(self, verdict: Verdict) -> list[str]:
        """Lay out expected beside actual."""
        rows = [("", "expected", "before", "after", "worst", "samples")]
        marks = {"met": "✓", "violated": "✗", "inconclusive": "…"}
        for one in verdict.clauses:
            watched = "" if one.clause.required else " (watching)"
            rows.append(
                (
                    marks[one.finding],
                    self._brief(expectation(one.clause)) + watched,
                    _reading(one.clause, one.before),
                    _reading(one.clause, one.actual),
                    _worst(one),
                    f"{one.samples}{f' ({one.missing} missing)' if one.missing else ''}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return lines if verdict.clauses else [verdict.why]

    def _brief(self, text: str) -> str:
        whole = text.replace(f"{self.folder}/", "").strip()
        return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"


def expectation(clause: Clause) -> str:
    """Say what a clause expects."""
    expected = _value(clause, clause.expected)
    within = f" within {clause.within_s:g} s" if clause.within_s else ""
    held = f" for {clause.for_s:g} s" if clause.for_s else ""
    phase = "" if clause.phase is Phase.AFTER else f"{clause.phase}: "
    return f"{phase}{clause.name.removeprefix('service.')} {_WORDS[clause.comparator]} {expected}{within}{held}"


def short(digest: str) -> str:
    """Return the beginning of a digest."""
    return digest[:19] if digest.startswith("sha256:") else digest[:24]


def _diagnosed(diagnosis: Diagnosis) -> str:
    if diagnosis.is_unknown:
        return "unknown: nothing is done about what is not understood"
    rules = ", ".join(dict.fromkeys(one.rule for one in diagnosis.evidence))
    return f"{diagnosis.cause}, confidence {diagnosis.confidence:.2f}, by {rules}"


def found_line(found: Found) -> str:
    """Say what a step of `find` found."""
    match found.result:
        case {"pid": pid, "command": command, **rest}:
            held = f", seen holding the lock for {rest['held_s']} s" if "held_s" in rest else ""
            return f"{found.id}: process {pid} `{_command_line(str(command))}`{held} ({found.uses})"
        case value:
            return f"{found.id}: {_written(value)} ({found.uses})"


def _command_line(written: str) -> str:
    """Show a command line, as probes write it, without folders; one that was cut within quotes as it is."""
    try:
        return _without_folders(shlex.split(written))
    except ValueError:
        return written


def _without_folders(argv: Iterable[str]) -> str:
    return shlex.join(PurePath(word).name if word.startswith("/") and word != "/" else word for word in argv)


def _reading(clause: Clause, reading: Reading | None) -> str:
    if reading is None:
        return "-"
    match reading.found:
        case Known(value=value):
            return _value(clause, value)
        case Unknown(why=why):
            return f"unknown: {why[:_LONGEST_REASON]}…"


def _worst(result: ClauseResult) -> str:
    return "-" if result.worst is None else _value(result.clause, result.worst)


def _value(clause: Clause, value: JsonValue) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (
        clause.name in _SHARE or (clause.comparator is Comparator.WORSENS_AT_MOST and value == clause.expected)
    ):
        return f"{value:.1%}".replace(".0%", "%")
    return f"{value:.3g}" if isinstance(value, float) else _written(value)


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def deed(uses: str, parameters: Mapping[str, JsonValue]) -> str:
    """Say what a step would do, in a line; parameters that say nothing are left out."""
    match parameters:
        case {"argv": [*argv]}:
            return f"{uses} {_without_folders(map(str, argv))}"
        case {"statements": [{"sql": sql, "parameters": [*bound]}]}:
            return f"{uses} {sql} {_written(bound)}, at most {parameters.get('at_most_rows')} row"
        case {"process": {"pid": pid}, **rest}:
            given = {name: value for name, value in rest.items() if value not in (None, True, False)}
            return f"{uses} pid={pid} {_with(given)}"
        case _:
            return f"{uses} {_with(parameters)}"


def without_digests(text: str) -> str:
    """Return a sentence with its digests cut short."""
    return _DIGEST.sub(lambda found: short(found[0]), text)


def _with(parameters: Mapping[str, JsonValue]) -> str:
    return " ".join(f"{name}={_written(value)}" for name, value in parameters.items())
