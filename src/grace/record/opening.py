"""Open the record: one database, one writer, one log that continues what its witness saw."""

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from sqlalchemy import Connection, Engine, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError, DBAPIError

from grace.kit.canonical import canonical
from grace.kit.clock import Clock, SystemClock
from grace.kit.ids import new_id
from grace.kit.wording import in_words
from grace.model.events import EventType
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record.ledger.entries import Prepared, header_of
from grace.record.ledger.erasure import erase
from grace.record.ledger.export import export_lines, write_export
from grace.record.ledger.log import LedgerLog
from grace.record.ledger.note import (
    Checkpoint,
    NoteInvalidError,
    Signer,
    VerifierKey,
    create_key,
    load_signer,
    open_checkpoint,
)
from grace.record.ledger.reading import ConsistencyProof, InclusionProof, LedgerReader
from grace.record.ledger.rebuild import rebuild
from grace.record.ledger.tree import TreeHead, leaf_hash
from grace.record.ledger.witness import (
    Checkpointer,
    FileWitness,
    LedgerUntrustedError,
    Witness,
    WitnessCutError,
    require_all_kept,
    require_continuation,
)
from grace.record.store import Added
from grace.record.store.engine import StoreUnusableError, open_engine, open_reading_engine
from grace.record.store.projection import Projections
from grace.record.store.read_models import PROJECTIONS
from grace.record.store.schema import RevisionState, create, require_current, revision_state
from grace.record.store.shape import missing_parts
from grace.record.store.tables import ledger_entries, ledger_payloads, ledger_tiles, meta
from grace.record.store.units import UnitTransaction
from grace.record.store.writer import Writer

T = TypeVar("T")
WITNESS_INTERVAL_S: Final = 1.0
_ORIGIN: Final = "ledger.origin"
_HANDED: Final = "ledger.witnessed"
_OF_THE_LOG: Final = (ledger_entries, ledger_payloads, ledger_tiles, meta)


@dataclass(frozen=True, slots=True)
class RecordPlaces:
    """Where the record lives. Put the witness on another disk or machine: it is what a thief would have to change."""

    database: Path
    key: Path
    witness: Path

    @classmethod
    def within(cls, folder: Path) -> Self:
        return cls(folder / "grace.db", folder / "ledger.key", folder / "ledger.checkpoints")


class Record:
    """The whole record: a `Journal` to write, a `Reader` to read, and the ledger's proofs. Close it when done."""

    def __init__(
        self,
        engines: tuple[Engine, Engine],
        writer: Writer[Prepared],
        reader: LedgerReader,
        checkpointer: Checkpointer,
        signer: Signer,
        projections: Projections,
    ) -> None:
        self.writer = writer
        self.reader = reader
        self.checkpointer = checkpointer
        self._engines = engines
        self._signer = signer
        self._projections = projections

    @property
    def verifier_key(self) -> str:
        """The log's public key as a C2SP verifier key; its name is the log's origin."""
        return str(self._signer.key)

    @property
    def origin(self) -> str:
        """The name of this log, given once."""
        return self._signer.key.name

    @property
    def newest_at(self) -> datetime | None:
        """When the newest entry was written; None while there is none."""
        newest = self.entry(self.head().size - 1)
        return None if newest is None else newest.at

    def submit(self, unit: Callable[[UnitTransaction[Prepared]], T], *, may_wait: bool = False) -> "Future[T]":
        return self.writer.submit(unit, may_wait=may_wait)

    def run(self, unit: Callable[[UnitTransaction[Prepared]], T]) -> T:
        return self.writer.run(unit)

    def append(self, draft: Draft) -> LedgerEntry:
        return self.writer.append(draft)

    def append_all(self, drafts: Collection[Draft]) -> Sequence[LedgerEntry]:
        return self.writer.append_all(drafts)

    def on_commit(self, listener: Callable[[int], None]) -> None:
        self.writer.on_commit(listener)

    def on_added(self, listener: Callable[[Added], None]) -> None:
        self.writer.on_added(listener)

    def read(self) -> AbstractContextManager[Connection]:
        return self.reader.read()

    def state(self) -> AbstractContextManager[sqlite3.Connection]:
        return self.reader.state()

    def entry(self, index: int) -> LedgerEntry | None:
        return self.reader.entry(index)

    def find(self, key: str) -> LedgerEntry | None:
        return self.reader.find(key)

    def entries(
        self,
        after: int = -1,
        *,
        types: Collection[EventType] | None = None,
        run_id: str | None = None,
        incident_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerEntry]:
        return self.reader.entries(after, types=types, run_id=run_id, incident_id=incident_id, limit=limit)

    def head(self) -> TreeHead:
        return self.reader.head()

    def inclusion(self, index: int, size: int | None = None) -> InclusionProof:
        return self.reader.inclusion(index, size)

    def consistency(self, old_size: int, size: int | None = None) -> ConsistencyProof:
        return self.reader.consistency(old_size, size)

    def checkpoint(self) -> str:
        """Return a signed note of the log as it is now."""
        return self.checkpointer.sign()

    def export(self, path: Path) -> int:
        """Write the whole log to a new file and return its number of lines."""
        return write_export(path, self.reader, self._signer)

    def export_lines(self) -> Iterator[bytes]:
        return export_lines(self.reader, self._signer)

    def erase(self, index: int, by: str, reason: str) -> LedgerEntry:
        """Erase the payload of one entry for good and return the entry that says so."""
        erased = self.writer.run_alone(lambda tx: erase(tx, index, by, reason, self._projections))
        self._empty_write_ahead_log()
        return erased

    def rebuild(self) -> int:
        """Make the read models again from the entries and return how many were replayed."""
        return self.writer.run_alone(lambda tx: rebuild(tx.connection, self._projections))

    def close(self) -> None:
        """Write what waits, witness it, and let go of the files."""
        self.writer.close()
        self.checkpointer.close()
        with suppress(DBAPIError, OSError):  # A disk that is full at the end: the next start remembers it.
            _remember_handed(self._engines[0], self.checkpointer.kept.size)
        self.reader.close()
        for engine in self._engines:
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _empty_write_ahead_log(self) -> None:
        """Move the log's frames into the file, so that no old copy of an erased payload stays in it."""
        connection = self._engines[0].raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def open_record(
    places: RecordPlaces,
    *,
    clock: Clock | None = None,
    witness: Witness | None = None,
    projections: Projections = PROJECTIONS,
    witness_interval_s: float = WITNESS_INTERVAL_S,
    adopt: bool = False,
) -> Record:
    """Open or create the record, or refuse with what to do.

    Raise SchemaMismatchError when the schema is behind or ahead, StoreUnusableError when the file cannot be used, and
    LedgerUntrustedError when the log is shorter than, or different from, what its witness saw. `adopt` accepts a log
    whose witness is empty (after moving to another machine); it never accepts one that contradicts its witness.
    """
    clock = clock or SystemClock()
    witness = witness or FileWitness(places.witness)
    places.database.parent.mkdir(parents=True, exist_ok=True)
    engines = open_engine(places.database), open_reading_engine(places.database)
    with ExitStack() as if_refused:
        for engine in engines:
            if_refused.callback(engine.dispose)
        if_refused.enter_context(_sqlite_told(places.database))
        _prepare_schema(places.database, engines[0], witness)
        reader = LedgerReader(engines[1])
        if_refused.callback(reader.close)
        signer = _signer(places, _origin(engines[0], witness), witness)
        _require_witnessed(reader, signer.key, witness, adopt=adopt)
        _require_no_stray_payload(reader)
        checkpointer = Checkpointer(reader, signer, witness, clock, witness_interval_s)
        _remember_handed(engines[0], checkpointer.witness_now().head.size)
        writer = Writer(engines[0], LedgerLog(clock, projections), clock=clock)
        writer.on_commit(checkpointer.notice)
        checkpointer.start()
        if_refused.pop_all()
    return Record(engines, writer, reader, checkpointer, signer, projections)


@contextmanager
def _sqlite_told(file: Path) -> Generator[None]:
    """Tell of a file that SQLite cannot read to its end."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        what_next = "`grace doctor` looks closer; if the file is damaged, put back the newest copy of it."
        raise StoreUnusableError(file, f"SQLite says {in_words(error)}", what_next) from error


def _prepare_schema(file: Path, engine: Engine, witness: Witness) -> None:
    """Make the schema of a new database; an old one must fit already."""
    if revision_state(engine) is not RevisionState.EMPTY:
        require_current(engine)
        _require_tables(engine)
        _require_shape(file, engine)
    elif witness.newest() is not None:
        what = "the database is new, but the witness holds checkpoints of an older one"
        raise LedgerUntrustedError(what, "Put the database back, or name another witness file for a new log.")
    else:
        create(engine)


def _require_tables(engine: Engine) -> None:
    """Check that the log's tables are there: a revision that fits says so no more once somebody dropped one."""
    gone = sorted({table.name for table in _OF_THE_LOG} - set(inspect(engine).get_table_names()))
    if gone:
        what = f"its database has no table {', '.join(gone)}: somebody dropped it"
        raise LedgerUntrustedError(what, "Put back the newest copy of the database.")


def _require_shape(file: Path, engine: Engine) -> None:
    """Check that all else is there too: what is missing would fail later, in the middle of a run."""
    missing = missing_parts(engine)
    if missing:
        why = f"its schema lacks {', '.join(missing)}, which its revision has: somebody changed it by hand"
        raise StoreUnusableError(file, why, "Put back the newest copy of the database.")


def _origin(engine: Engine, witness: Witness) -> str:
    """Return the name of this log, given once; a log that was witnessed has one already."""
    with engine.begin() as connection:
        origin = connection.execute(select(meta.c.value).where(meta.c.key == _ORIGIN)).scalar_one_or_none()
        if origin is None and witness.newest() is not None:
            what = "its name is gone from the database (table meta), but the witness holds checkpoints of it"
            raise LedgerUntrustedError(what, "Put back the newest copy of the database.")
        if origin is None:
            origin = f"grace.local/{new_id('log')}"
            connection.execute(insert(meta).values(key=_ORIGIN, value=origin))
        return str(origin)


def _signer(places: RecordPlaces, origin: str, witness: Witness) -> Signer:
    if not places.key.exists():
        if witness.newest() is not None:
            what = f"its signing key {places.key} is gone, but the witness holds checkpoints signed with it"
            raise LedgerUntrustedError(what, "Put the key file back.")
        places.key.parent.mkdir(parents=True, exist_ok=True)
        create_key(places.key)
    return load_signer(places.key, origin)


def handed_to_witness(reader: LedgerReader) -> int:
    """Return of how many entries a checkpoint is known to have been kept by the witness."""
    with reader.read() as connection:
        return int(connection.execute(select(meta.c.value).where(meta.c.key == _HANDED)).scalar_one_or_none() or 0)


def _remember_handed(engine: Engine, size: int) -> None:
    """Write down what the witness holds by now, so that a witness that was cut is found out at the next start."""
    with engine.begin() as connection:
        changed = update(meta).where(meta.c.key == _HANDED).values(value=str(size))
        if connection.execute(changed).rowcount == 0:
            connection.execute(insert(meta).values(key=_HANDED, value=str(size)))


def witnessed_head(places: RecordPlaces) -> TreeHead | None:
    """Return the newest checkpoint that the witness of a log holds; None where it holds none.

    Raise LedgerUntrustedError where key, witness and database do not belong together.
    """
    witness = FileWitness(places.witness)
    note = witness.newest()
    if note is None:
        return None
    engine = open_reading_engine(places.database)
    try:
        with _sqlite_told(places.database), engine.connect() as connection:
            origin = connection.execute(select(meta.c.value).where(meta.c.key == _ORIGIN)).scalar_one_or_none()
    finally:
        engine.dispose()
    return _witnessed(note, _signer(places, str(origin), witness).key).head


def _require_witnessed(reader: LedgerReader, key: VerifierKey, witness: Witness, *, adopt: bool) -> None:
    """Check the log against the newest checkpoint that is held outside; O(log n) rows."""
    note, head = witness.newest(), reader.head()
    _require_newest_entry(reader, head.size)
    if note is None:
        if head.size > 0 and (torn := witness.torn()):
            raise WitnessCutError(witness.end(), len(torn))
        if head.size > 0 and not adopt:
            what = f"it has {head.size} entries, but the witness holds no checkpoint"
            raise LedgerUntrustedError(
                what, "Put the witness file back; after a planned move start once with `grace serve --adopt-ledger`."
            )
        return
    kept = _witnessed(note, key).head
    require_continuation(reader, kept, head)
    require_all_kept(kept.size, handed_to_witness(reader), witness.end())


def _require_newest_entry(reader: LedgerReader, size: int) -> None:
    """Check that the newest entry is the one in the tree: what a careless hand changes first."""
    newest = reader.entry(size - 1)
    if newest is not None and newest.payload is None:
        # An erasure is an entry of its own, behind the one that it concerns: the newest is never erased.
        what = f"the payload of entry {size - 1} is gone, and no entry says that it was erased"
        raise LedgerUntrustedError(what, "Put back the newest copy of the database.")
    if newest is not None and reader.inclusion(size - 1).leaf_hash != leaf_hash(canonical(header_of(newest))):
        what = f"entry {size - 1} is not the one in the tree: it was changed in the database"
        raise LedgerUntrustedError(what, "Put back the newest copy of the database.")


def _require_no_stray_payload(reader: LedgerReader) -> None:
    """Check that no payload stands behind the last entry: the next one could not be written."""
    size = reader.size()
    beyond = select(ledger_payloads.c.index).where(ledger_payloads.c.index >= size).limit(1)
    with reader.read() as connection:
        stray = connection.execute(beyond).scalar()
    if stray is not None:
        what = f"it holds a payload {stray}, but its last entry is {size - 1}: somebody wrote to the database by hand"
        raise LedgerUntrustedError(what, "Put back the newest copy of the database.")


def _witnessed(note: str, key: VerifierKey) -> Checkpoint:
    try:
        return open_checkpoint(note, key)
    except NoteInvalidError as error:
        what = f"the newest checkpoint of the witness is not one of this log ({error})"
        raise LedgerUntrustedError(what, "Put back the database, key and witness file that belong together.") from error
