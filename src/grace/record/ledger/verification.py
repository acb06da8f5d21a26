"""Check an export offline: nothing but the file, a checkpoint from earlier and, at best, a key from elsewhere."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn, cast

from pydantic import JsonValue, ValidationError

from grace.kit.canonical import JsonInvalidError, NotCanonicalError, canonical, parse_json
from grace.kit.clock import from_rfc3339
from grace.kit.octets import from_base64
from grace.kit.wording import in_words
from grace.model.events import EventType
from grace.model.noun import Noun
from grace.record.ledger.entries import SALT_SIZE, payload_digest
from grace.record.ledger.export import FORMAT
from grace.record.ledger.note import Checkpoint, NoteInvalidError, VerifierKey, open_checkpoint, split_notes
from grace.record.ledger.tree import CompactRange, TreeHead, leaf_hash

_LONGEST_LINE: Final = 64 * 1024 * 1024
_MOST_TOLD: Final = 20


class Fault(StrEnum):
    """What can be wrong with an export."""

    UNREADABLE = "unreadable"
    """A line is not canonical JSON of the right shape."""
    OUT_OF_ORDER = "out_of_order"
    """An index is missing, repeated or moved."""
    ENTRY_CHANGED = "entry_changed"
    """An entry does not have the leaf hash written beside it."""
    PAYLOAD_CHANGED = "payload_changed"
    """A payload or its salt does not have the digest in the entry."""
    PAYLOAD_WITHHELD = "payload_withheld"
    """A payload is left out as if it had been erased, and no entry says that it was."""
    TRUNCATED = "truncated"
    """Entries or the final checkpoint are missing at the end."""
    HISTORY_CHANGED = "history_changed"
    """The entries do not lead to the root of a checkpoint."""
    UNSIGNED = "unsigned"
    """A checkpoint is not signed by the key."""
    OTHER_LOG = "other_log"
    """Origin or key are those of another log."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: the line it was seen on (from 1), the first entry it concerns where that is known, and a sentence."""

    fault: Fault
    line: int
    index: int | None
    what: str


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What the verifier saw. It is valid when there is no finding."""

    origin: str | None
    key: str | None
    key_is_trusted: bool
    """Whether the key came from the person who asked, or was vouched for by an older checkpoint of theirs."""
    size: int
    erased: int
    root: str
    checkpoints: int
    """How many older checkpoints the export was held to."""
    findings: tuple[Finding, ...]

    @property
    def is_valid(self) -> bool:
        return not self.findings

    @property
    def first_bad_index(self) -> int | None:
        return min((finding.index for finding in self.findings if finding.index is not None), default=None)


def verify_export(path: Path, old_checkpoint: str | None = None, key: str | None = None) -> VerificationReport:
    """Verify an export file; `old_checkpoint` is the text of one or more notes, `key` a verifier key.

    Raise OSError when the file cannot be read and NoteInvalidError when what the caller holds (`old_checkpoint`, `key`)
    is itself not a note or key; everything wrong with the export is a finding.
    """
    with path.open("rb") as file:
        return verify_lines(iter(lambda: file.readline(_LONGEST_LINE), b""), old_checkpoint, key)


def verify_lines(
    lines: Iterable[bytes], old_checkpoint: str | None = None, key: str | None = None
) -> VerificationReport:
    """Verify the lines of an export as they come; memory does not grow with the log."""
    trusted = None if key is None else VerifierKey.parse(key)
    notes = () if old_checkpoint is None else split_notes(old_checkpoint)
    if old_checkpoint is not None and not notes:
        message = "The old checkpoint holds no signed note. Give the witness file or one note from it."
        raise NoteInvalidError(message)
    check = _Check(trusted, notes)
    with suppress(_StopError):  # The finding that stopped it is in the report.
        check.run(lines)
    return check.report()


class _Header(Noun):
    format: str
    key: str
    origin: str
    size: int


class _Entry(Noun):
    index: int
    key: str
    type: str
    at: str
    actor: str
    run_id: str | None
    incident_id: str | None
    service: str | None
    payload_digest: str


class _EntryLine(Noun):
    entry: _Entry
    leaf_hash: str
    erased: bool | None = None
    payload: dict[str, JsonValue] | None = None
    salt: str | None = None


class _End(Noun):
    checkpoint: str


class _StopError(Exception):
    """The rest of the export cannot be read in any useful way."""


@dataclass(slots=True)
class _Check:
    trusted: VerifierKey | None
    notes: tuple[str, ...]
    header: _Header | None = None
    key: VerifierKey | None = None
    vouched: bool = False
    held_to: int = 0
    erased: int = 0
    withheld: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Where a payload is left out, by the key of the entry that would say why."""
    line: int = 0
    tree: CompactRange = field(default_factory=CompactRange)
    old: dict[int, bytes] = field(default_factory=dict[int, bytes])
    last_good_size: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    def run(self, lines: Iterable[bytes]) -> None:
        """Read header, entries and end, in one pass."""
        values = self._values(lines)
        self._begin(next(values, None))
        ended = False
        for value in values:
            if ended:
                self._stop(Fault.UNREADABLE, None, "something follows the final checkpoint")
            if "checkpoint" in value:
                self._end(value)
                ended = True
            else:
                self._entry(value)
        self._tell_withheld()
        if not ended:
            self._stop(Fault.TRUNCATED, self.tree.size, "the export ends without its checkpoint")

    def _tell_withheld(self) -> None:
        for index, line in list(self.withheld.values())[:_MOST_TOLD]:
            what = f"the payload of entry {index} is left out, and no entry says that it was erased"
            self.findings.append(Finding(Fault.PAYLOAD_WITHHELD, line, index, what))
        more = len(self.withheld) - _MOST_TOLD
        if more > 0:
            self._note(Fault.PAYLOAD_WITHHELD, None, f"so are the payloads of {more} more entries")

    def report(self) -> VerificationReport:
        return VerificationReport(
            origin=None if self.header is None else self.header.origin,
            key=None if self.key is None else str(self.key),
            key_is_trusted=self.trusted is not None or self.vouched,
            size=self.tree.size,
            erased=self.erased,
            root=base64.b64encode(self.tree.root()).decode("ascii"),
            checkpoints=self.held_to,
            findings=tuple(self.findings),
        )

    def _values(self, lines: Iterable[bytes]) -> Iterator[dict[str, JsonValue]]:
        for line in lines:
            self.line += 1
            try:
                value = parse_json(line)
                if canonical(value) + b"\n" != line or not isinstance(value, dict):
                    self._stop(Fault.UNREADABLE, self.tree.size, "the line is not a canonical JSON object")
            except (JsonInvalidError, NotCanonicalError) as error:
                self._stop(Fault.UNREADABLE, self.tree.size, in_words(error))
            yield value

    def _begin(self, value: dict[str, JsonValue] | None) -> None:
        if value is None:
            self._stop(Fault.TRUNCATED, None, "the export is empty")
        try:
            self.header = _Header.from_json(value)
            self.key = VerifierKey.parse(self.header.key)
        except (ValidationError, NoteInvalidError) as error:
            self._stop(Fault.UNREADABLE, None, f"the first line is no header of an export: {in_words(error)}")
        if self.header.format != FORMAT:
            self._stop(Fault.UNREADABLE, None, f"the format is {self.header.format!r}, this verifier knows {FORMAT!r}")
        if self.key.name != self.header.origin:
            self._stop(Fault.OTHER_LOG, None, f"the key signs for {self.key.name!r}, the log is {self.header.origin!r}")
        if self.trusted is not None and self.trusted != self.key:
            self._note(Fault.OTHER_LOG, None, f"the export names the key {self.key}, you trust {self.trusted}")
            self.key = self.trusted
        for note in self.notes:
            self._hold_to(note, self.key)

    def _hold_to(self, note: str, key: VerifierKey) -> None:
        """Remember an older checkpoint, to be compared when the tree has its size."""
        try:
            checkpoint = open_checkpoint(note, key)
        except NoteInvalidError as error:
            self._note(Fault.OTHER_LOG, None, f"an older checkpoint is not of this log: {error}")
            return
        self.vouched = True
        self.held_to += 1
        size, root = checkpoint.head.size, checkpoint.head.root
        if self.old.setdefault(size, root) != root:
            self._note(Fault.HISTORY_CHANGED, None, f"two checkpoints of size {size} have different roots")
        self._compare_with_old()

    def _entry(self, value: dict[str, JsonValue]) -> None:
        index = self.tree.size
        try:
            line = _EntryLine.from_json(value)
            from_rfc3339(line.entry.at)
        except ValueError as error:
            self._stop(Fault.UNREADABLE, index, f"the line is no entry: {in_words(error)}")
        if line.entry.index != index:
            self._stop(Fault.OUT_OF_ORDER, index, f"entry {index} should stand here, found entry {line.entry.index}")
        leaf = leaf_hash(canonical(cast("dict[str, JsonValue]", value["entry"])))
        if base64.b64encode(leaf).decode("ascii") != line.leaf_hash:
            self._note(Fault.ENTRY_CHANGED, index, f"entry {index} does not have the hash written beside it")
        self._payload(line, index)
        if line.entry.type == EventType.PAYLOAD_ERASED.value:
            self.withheld.pop(line.entry.key, None)
        self.tree.append(leaf)
        self._compare_with_old()

    def _payload(self, line: _EntryLine, index: int) -> None:
        if line.erased is True and line.payload is None and line.salt is None:
            self.erased += 1
            # What erases a payload names it in its key, which the leaf holds; it is never erased itself.
            self.withheld[f"payload/{index}/erased"] = (index, self.line)
            return
        salt = _unbase64(line.salt)
        if line.erased is not None or line.payload is None or salt is None or len(salt) != SALT_SIZE:
            self._note(Fault.PAYLOAD_CHANGED, index, f"entry {index} has neither payload and salt nor the word erased")
        elif payload_digest(salt, canonical(line.payload)) != line.entry.payload_digest:
            self._note(
                Fault.PAYLOAD_CHANGED, index, f"the payload of entry {index} does not have the digest in the entry"
            )

    def _compare_with_old(self) -> None:
        size = self.tree.size
        expected = self.old.get(size)
        if expected is None:
            return
        if self.tree.root() != expected:
            what = (
                f"the first {size} entries are not those of the checkpoint: one from {self.last_good_size} on changed"
            )
            self._note(Fault.HISTORY_CHANGED, self.last_good_size, what)
        self.last_good_size = size

    def _end(self, value: dict[str, JsonValue]) -> None:
        if self.key is None or self.header is None:
            return
        size = self.tree.size
        if size < self.header.size:
            self._note(Fault.TRUNCATED, size, f"the header promises {self.header.size} entries, {size} are there")
        elif size > self.header.size:
            self._note(
                Fault.OUT_OF_ORDER,
                self.header.size,
                f"the header promises {self.header.size} entries, {size} are there",
            )
        for missing in sorted(old for old in self.old if old > size):
            self._note(Fault.TRUNCATED, size, f"a checkpoint of {missing} entries exists, only {size} are there")
        try:
            checkpoint = open_checkpoint(_End.from_json(value).checkpoint, self.key)
        except (ValidationError, NoteInvalidError) as error:
            self._note(Fault.UNSIGNED, None, f"the final checkpoint does not hold: {in_words(error)}")
            return
        self._compare_with_final(checkpoint)

    def _compare_with_final(self, checkpoint: Checkpoint) -> None:
        if checkpoint.head.size > self.tree.size:
            what = f"the signed checkpoint is of {checkpoint.head.size} entries, only {self.tree.size} are there"
            self._note(Fault.TRUNCATED, self.tree.size, what)
        elif checkpoint.head != TreeHead(self.tree.size, self.tree.root()):
            what = f"the entries do not lead to the signed root: one from {self.last_good_size} on was changed"
            self._note(Fault.HISTORY_CHANGED, self.last_good_size, what)

    def _note(self, fault: Fault, index: int | None, what: str) -> None:
        self.findings.append(Finding(fault, self.line, index, what))

    def _stop(self, fault: Fault, index: int | None, what: str) -> NoReturn:
        self._note(fault, index, what)
        raise _StopError


def _unbase64(text: str | None) -> bytes | None:
    try:
        return None if text is None else from_base64(text)
    except ValueError:
        return None
