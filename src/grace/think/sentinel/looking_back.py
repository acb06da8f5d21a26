"""Look back: old logs, line by line, as if their messages had been signals; grouped and diagnosed from text alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from grace.kit.redaction import redact_text
from grace.model.cause import BENIGN_CAUSE, is_a
from grace.model.diagnosis import Diagnosis
from grace.model.hindsight import Hindsight, PastIncident
from grace.model.incident import Incident
from grace.model.signal import Severity, Signal, SignalKind
from grace.think.incidents.fingerprint import fingerprint
from grace.think.knowledge.loading import Knowledge
from grace.think.playbooks.format import When
from grace.think.sentinel.diagnosing import diagnose
from grace.think.sentinel.log_lines import LogMessage, messages_in

MOST_KINDS: Final = 5_000
"""Kinds of messages that are kept apart; those of further kinds are counted."""
_SAMPLES: Final = 5
_LONGEST_TITLE: Final = 200
_QUIET: Final = frozenset({Severity.DEBUG, Severity.INFO})
_ORDER: Final = tuple(Severity)
_NO_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Kind:
    """Messages of one fingerprint."""

    file: str
    first: LogMessage
    samples: list[Signal] = field(default_factory=list[Signal])
    count: int = 0
    severity: Severity | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    def add(self, message: LogMessage, signal: Signal) -> None:
        self.count += 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(signal)
        if message.severity and (self.severity is None or _ORDER.index(message.severity) > _ORDER.index(self.severity)):
            self.severity = message.severity
        if message.at:
            self.first_seen = min(self.first_seen or message.at, message.at)
            self.last_seen = max(self.last_seen or message.at, message.at)


class LookingBack:
    """Takes logs, one after the other; `seen` tells what they hold. Memory is bounded, however long they are."""

    def __init__(self, knowledge: Knowledge, playbooks: Iterable[tuple[str, When]]) -> None:
        """`playbooks` are names with what each is for."""
        self._knowledge = knowledge
        self._playbooks = tuple(playbooks)
        self._kinds: dict[str, _Kind] = {}
        self._lines = self._messages = self._quiet = self._left_out = 0

    def read(self, file: str, lines: Iterable[str], written: datetime | None = None) -> None:
        """Take the lines of one file; `written` is when it was last changed, for times that name no year."""
        for message in messages_in(lines, written):
            self._messages += 1
            self._lines += message.lines
            if message.severity in _QUIET:
                self._quiet += 1
            else:
                self._take(file, message)

    def seen(self) -> Hindsight:
        """Return the incidents, most frequent first; what names no trouble and is not known for a fault is left out."""
        incidents: list[PastIncident] = []
        unclear = 0
        for mark, kind in self._kinds.items():
            diagnosis = self._diagnosis(mark, kind)
            if diagnosis.cause == BENIGN_CAUSE or (diagnosis.is_unknown and kind.severity is None):
                unclear += kind.count
            else:
                incidents.append(self._incident(kind, diagnosis))
        return Hindsight(
            lines=self._lines,
            messages=self._messages,
            quiet=self._quiet,
            unclear=unclear,
            left_out=self._left_out,
            incidents=tuple(sorted(incidents, key=lambda one: (-one.count, one.file, one.line))),
        )

    def _take(self, file: str, message: LogMessage) -> None:
        text, said = redact_text(message.text), _one_line(redact_text(message.said))
        signal = Signal(
            id=f"{file}:{message.line}",
            service="unknown",
            at=message.at or _NO_MOMENT,
            received_at=message.at or _NO_MOMENT,
            kind=SignalKind.LOG,
            severity=message.severity or Severity.ERROR,
            title=said[:_LONGEST_TITLE],
            message=text,
            source="hindsight",
        )
        mark = fingerprint(signal.model_copy(update={"title": said}))
        kind = self._kinds.get(mark)
        if kind is None:
            if len(self._kinds) >= MOST_KINDS:
                self._left_out += 1
                return
            kind = self._kinds[mark] = _Kind(file, message)
        kind.add(message, signal)

    def _diagnosis(self, mark: str, kind: _Kind) -> Diagnosis:
        first = kind.samples[0]
        incident = Incident(
            id=mark,
            fingerprint=mark,
            service=first.service,
            environment=first.environment,
            title=first.title,
            signal_id=first.id,
            first_seen=first.at,
            last_seen=first.at,
        )
        return diagnose(incident, kind.samples, self._knowledge, first.at)

    def _incident(self, kind: _Kind, diagnosis: Diagnosis) -> PastIncident:
        fitting = [name for name, when in self._playbooks if self._fits(name, when, diagnosis)]
        return PastIncident(
            title=kind.samples[0].title,
            count=kind.count,
            severity=kind.severity,
            first_seen=kind.first_seen,
            last_seen=kind.last_seen,
            file=kind.file,
            line=kind.first.line,
            diagnosis=diagnosis,
            playbooks=tuple(sorted(fitting)),
        )

    def _fits(self, name: str, when: When, diagnosis: Diagnosis) -> bool:
        """Tell whether a playbook is for such a fault, and not just for its broad class: a password is no file mode."""
        if diagnosis.is_unknown or not is_a(diagnosis.cause, when.cause):
            return False
        cited = {seen.rule for seen in diagnosis.evidence}
        rules = [rule for rule in self._knowledge.rules if rule.id in cited]
        told = {label for rule in rules for label in rule.labels.items()}
        return when.labels.items() <= told or any(name in rule.playbooks for rule in rules)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n", 1)[0].split()) or "?"
