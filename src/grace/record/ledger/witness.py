"""Checkpoints held outside the database: whoever changes the log below one of them is found out."""

import os
import re
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from grace.kit.clock import Clock, sleep_unless
from grace.kit.lasting import LastingThread
from grace.record.ledger.note import Checkpoint, Signer, open_checkpoint, sync_folder
from grace.record.ledger.reading import LedgerReader
from grace.record.ledger.tiles import TileMissingError
from grace.record.ledger.tree import EMPTY_ROOT, ProofInvalidError, TreeHead, verify_consistency

_TAIL_SIZE: Final = 64 * 1024
_END_OF_NOTE: Final = re.compile("\n\n(?:— [^\n]+\n)+\n".encode())
_WITNESS_MODE: Final = 0o644
_NEWLINE: Final = b"\n"
_LINE_OF_SIZE: Final = 2
PUT_WITNESS_BACK: Final = (
    "Nothing was written. Put the whole witness file back; where there is none, move this one aside as evidence and "
    "start once with `grace serve --adopt-ledger`."
)


class Witness(Protocol):
    """Keep signed checkpoints where the log cannot change them."""

    def newest(self) -> str | None:
        """Return the newest note that was kept whole; None when none was ever kept; WitnessCutError when it was cut."""
        ...

    def torn(self) -> bytes:
        """Return what stands behind the newest whole note."""
        ...

    def end(self) -> str:
        """Say, for people, where the newest whole note ends."""
        ...

    def keep(self, note: str) -> None:
        """Return only after the note would survive a power cut; OSError when it cannot be kept."""
        ...


class FileWitness:
    """A file that is only ever appended to: signed notes, each followed by an empty line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def newest(self) -> str | None:
        tail = self._tail()
        ends = [match.end() for match in _END_OF_NOTE.finditer(tail)]
        if not ends:
            if not _may_be_a_first_note(tail):
                raise WitnessCutError(self.end(), len(tail))
            return None
        start = ends[-2] if len(ends) > 1 else 0
        return tail[start : ends[-1] - 1].decode()

    def end(self) -> str:
        if not self.path.exists():
            return f"{self.path} is not there"
        whole = self.path.read_bytes()
        ends = [match.end() for match in _END_OF_NOTE.finditer(whole)]
        return f"{self.path}, line {whole.count(_NEWLINE, 0, ends[-1]) if ends else 1}"

    def keep(self, note: str) -> None:
        is_new = not self.path.exists()
        if torn := self.torn():
            self._set_aside(torn)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, _WITNESS_MODE)
        with os.fdopen(descriptor, "r+b") as file:
            # What a power cut tore was never acknowledged; the next note begins where the last whole one ended.
            end = file.seek(0, os.SEEK_END) - len(torn)
            file.seek(end)
            file.write(f"{note}\n".encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.path.parent)

    def torn(self) -> bytes:
        tail = self._tail()
        ends = [match.end() for match in _END_OF_NOTE.finditer(tail)]
        return tail[ends[-1] if ends else 0 :]

    def _set_aside(self, torn: bytes) -> None:
        """Keep what is about to be written over: it may be all that is left of a file that somebody cut."""
        with self.path.with_name(f"{self.path.name}.torn").open("ab") as file:
            file.write(torn + _NEWLINE)
            file.flush()
            os.fsync(file.fileno())

    def _tail(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_SIZE))
            return file.read()


class LedgerUntrustedError(RuntimeError):
    """The log does not continue what it signed before; GRACE refuses to add to it."""

    def __init__(self, what: str, what_next: str) -> None:
        self.what = what
        super().__init__(f"The ledger is not what its witness saw: {what}. {what_next}")


class WitnessCutError(LedgerUntrustedError):
    """The witness file holds something, and no whole checkpoint: it was cut or changed, which no power cut does."""

    def __init__(self, end: str, size: int) -> None:
        what = f"{end}: {size} bytes stand there and no whole checkpoint, so the file was cut or changed"
        super().__init__(what, PUT_WITNESS_BACK)


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest checkpoint that the witness holds: of how many entries, and since when."""

    size: int
    at: datetime | None
    """None: since before this process."""


class Checkpointer:
    """Sign the head of the log and hand it to the witness, at most once an interval while the log grows."""

    def __init__(self, reader: LedgerReader, signer: Signer, witness: Witness, clock: Clock, interval_s: float) -> None:
        self._reader = reader
        self._signer = signer
        self._witness = witness
        self._clock = clock
        self._interval_s = interval_s
        self._last = _last_head(witness, signer)
        self._signing = threading.Lock()
        self._changed = threading.Condition()
        self._seen_size = 0
        self._closing = False
        self._trouble: str | None = None
        self._kept_at: datetime | None = None
        self.thread = LastingThread("grace-checkpointer", self._serve)

    @property
    def trouble(self) -> str | None:
        """Why the newest entries are not witnessed at the moment, in one sentence; None when all is well."""
        return self._trouble

    @property
    def kept(self) -> Kept:
        """What the witness holds now."""
        last = self._last
        return Kept(0 if last is None else last.size, self._kept_at)

    @property
    def key(self) -> str:
        """The log's verifier key, to be kept by whoever wants to check it."""
        return str(self._signer.key)

    def start(self) -> None:
        self.thread.start()

    def notice(self, highest: int) -> None:
        """Tell that entries up to this index are committed."""
        with self._changed:
            self._seen_size = max(self._seen_size, highest + 1)
            self._changed.notify()

    def sign(self) -> str:
        """Return a signed note of the log as it is now, without giving it to the witness."""
        with self._signing:
            return self._sign(self._reader.head())

    def witness_now(self) -> Checkpoint:
        """Sign the log as it is now and return after the witness kept it.

        Raise LedgerUntrustedError when the log does not continue the last signed head, OSError when it cannot be kept.
        """
        with self._signing:
            head = self._reader.head()
            if self._last is None or head.size > self._last.size:
                self._witness.keep(self._sign(head))
                self._last = head
                self._kept_at = self._clock.now()
            return Checkpoint(self._signer.key.name, self._last)

    def close(self) -> None:
        """Witness what is not yet witnessed and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.thread.join()
        self._try()

    def _serve(self) -> None:
        while self._wait_for_growth():
            self._try()
            sleep_unless(self._clock, self._interval_s, lambda: self._closing)

    def _wait_for_growth(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._is_behind())
            return not self._closing

    def _is_behind(self) -> bool:
        return self._last is None or self._seen_size > self._last.size

    def _try(self) -> None:
        try:
            self.witness_now()
        except OSError as error:
            self._trouble = f"The witness cannot keep checkpoints: {error}. Make room for it; GRACE tries again."
        except sqlite3.Error as error:
            self._trouble = f"The log cannot be read to be witnessed: {error}. Look at its disk; GRACE tries again."
        except (LedgerUntrustedError, TileMissingError) as error:
            self._trouble = str(error)
        else:
            self._trouble = None

    def _sign(self, head: TreeHead) -> str:
        """Sign a head that continues the last signed one: a log never signs two that contradict each other."""
        if self._last is not None and self._last.size > 0:
            require_continuation(self._reader, self._last, head)
        return self._signer.sign(Checkpoint(self._signer.key.name, head).text)


def require_continuation(reader: LedgerReader, old: TreeHead, new: TreeHead) -> None:
    """Check that the stored tree continues `old`, or raise LedgerUntrustedError."""
    if new.size < old.size:
        what = f"it has {new.size} entries, the newest witnessed checkpoint {old.size}: entries were cut off"
        raise LedgerUntrustedError(what, _PUT_BACK)
    if old.size == 0:
        if old.root != EMPTY_ROOT:
            what = "the witnessed checkpoint of the empty log has a wrong root"
            raise LedgerUntrustedError(what, _PUT_BACK)
        return
    try:
        verify_consistency(old, new, reader.consistency(old.size, new.size).path)
    except ProofInvalidError as error:
        what = f"its first {old.size} entries are not those of the newest witnessed checkpoint: they were changed"
        raise LedgerUntrustedError(what, _PUT_BACK) from error


def require_all_kept(size: int, handed: int, end: str) -> None:
    """Check that the witness still holds what it was handed, or raise LedgerUntrustedError."""
    if size < handed:
        what = (
            f"{end}: the newest checkpoint there is of {size} entries, but one of {handed} was kept there, so the file "
            "was cut or an older copy of it put back"
        )
        raise LedgerUntrustedError(what, PUT_WITNESS_BACK)


def _may_be_a_first_note(tail: bytes) -> bool:
    """Tell whether a power cut can have left this: nothing yet, or part of the note of an empty log."""
    lines = tail.rstrip(b"\0").split(_NEWLINE)
    return len(lines) <= _LINE_OF_SIZE or lines[_LINE_OF_SIZE - 1] == b"0"


def _last_head(witness: Witness, signer: Signer) -> TreeHead | None:
    note = witness.newest()
    return None if note is None else open_checkpoint(note, signer.key).head


_PUT_BACK: Final = (
    "Nothing was changed, and nothing is signed any more. Copy the data folder and the witness file as evidence, put "
    "back the newest copy of the database, and start again."
)
