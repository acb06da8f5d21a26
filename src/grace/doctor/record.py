"""The record: is its schema the one we know, does its ledger go on from what the witness saw, how old is that.

What stands on disk is looked at through a connection that cannot write, so that nothing in the folder changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Engine, StaticPool, create_engine, func, or_, select
from sqlalchemy.exc import DBAPIError

from grace.doctor.clocks import LARGEST_SKEW_S
from grace.doctor.saying import doubtful, failed, not_known, well
from grace.doctor.vault import vault
from grace.kit.clock import Clock, to_rfc3339
from grace.kit.procfs import process_stat, write_lock_holders
from grace.kit.wording import in_words
from grace.model.examination import CheckResult
from grace.record.ledger.note import KeyUnusableError, NoteInvalidError, VerifierKey, load_signer, open_checkpoint
from grace.record.ledger.reading import LedgerReader
from grace.record.ledger.tiles import TileMissingError
from grace.record.ledger.witness import FileWitness, LedgerUntrustedError, require_all_kept, require_continuation
from grace.record.opening import RecordPlaces, handed_to_witness
from grace.record.store.damage import RecordDamagedError
from grace.record.store.schema import RevisionState, revision_state
from grace.record.store.tables import meta, tokens

_SCHEMA: Final = "record.schema"
_LEDGER: Final = "record.ledger"
_COUNT_TABLES: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
_LEVEL: Final = "SELECT max(version) FROM dbos_migrations"
_NOT_WELL: Final = (sqlite3.Error, DBAPIError)


@dataclass(frozen=True, slots=True)
class RecordOnDisk:
    """The record of a folder that no server of ours has open."""

    places: RecordPlaces
    clock: Clock

    def checks(self) -> Iterator[CheckResult]:
        """Look at schema, engine and ledger as they stand on disk."""
        database = self.places.database
        try:
            is_there = database.exists()
        except OSError as error:
            advice = f"run this as the user that GRACE runs as; see ls -ld {database.parent}"
            yield not_known(_SCHEMA, str(database), f"may not be looked at: {error.strerror}", advice)
            return
        if not is_there:
            yield self._none_yet()
            return
        yield from self._held_by()
        try:
            with only_reading(database) as engine:
                yield from self._of(engine)
        except _NOT_WELL as error:
            advice = f"sqlite3 {database} 'PRAGMA quick_check', and put back the newest copy if it finds anything"
            yield failed(_SCHEMA, str(database), f"cannot be read: {in_words(error)}", advice)
        yield engine_database(database.with_name("engine.db"))

    def usable_tokens(self) -> int | None:
        """Count the tokens that open the door; None where there is no record, or none that can be read."""
        try:
            with only_reading(self.places.database) as engine, engine.connect() as connection:
                lasts = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > self.clock.now())
                query = select(func.count()).select_from(tokens).where(tokens.c.revoked_at.is_(None), lasts)
                return connection.execute(query).scalar_one()
        except (OSError, *_NOT_WELL):
            return None

    def _none_yet(self) -> CheckResult:
        database, witness = self.places.database, self.places.witness
        if witness.exists() and witness.stat().st_size:
            what = "is not there, and its witness holds checkpoints of it"
            return failed(_LEDGER, str(database), what, "put the database back, or name another witness file")
        return well(_SCHEMA, str(database), "is not there yet: the first start makes it")

    def _held_by(self) -> Iterator[CheckResult]:
        lock = self.places.database.with_name("lock")
        for pid in write_lock_holders(str(lock)).pids:
            stat = process_stat(pid)
            found = f"process {pid} ({stat.name if stat else 'gone'}) has it open, and no server answers for it"
            yield doubtful("record.open", str(self.places.database), found, f"wait for its start, or: kill {pid}")

    def _of(self, engine: Engine) -> Iterator[CheckResult]:
        state = revision_state(engine)
        yield schema(str(self.places.database), state)
        if state is not RevisionState.CURRENT:
            return
        with engine.connect() as connection:
            origin = connection.execute(select(meta.c.value).where(meta.c.key == "ledger.origin")).scalar_one_or_none()
        try:
            key = load_signer(self.places.key, str(origin)).key
        except (OSError, KeyUnusableError) as error:
            yield failed(_LEDGER, str(self.places.key), in_words(error), "put the key file back, mode 600")
            return
        yield ledger(LedgerReader(engine), key, self.places.witness, self.clock)
        with engine.connect() as connection:
            yield from vault(connection, self.places.database.with_name("vault"))


@contextmanager
def only_reading(database: Path, *, is_ours: bool = False) -> Generator[Engine]:
    """Open a database so that nothing is written, not even beside it; raise sqlite3.Error or DBAPIError.

    `is_ours` says that this process has it open already.
    """
    # Where nobody left a log beside it, the file alone is the database, and SQLite need not make one to look. In the
    # process that has it open this would not do: closing a file that is opened so drops the locks of all others.
    has_log = is_ours or database.with_name(f"{database.name}-wal").exists()
    address = f"file:{quote(str(database))}?mode=ro{'' if has_log else '&immutable=1'}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    try:
        yield engine
    finally:
        engine.dispose()


def schema(about: str, state: RevisionState) -> CheckResult:
    """Say whether the schema is the one that this version knows."""
    match state:
        case RevisionState.CURRENT:
            return well(_SCHEMA, about, "the schema is up to date")
        case RevisionState.EMPTY:
            return failed(_SCHEMA, about, "holds no schema of GRACE", "name the folder of a GRACE: GRACE_DATA_FOLDER")
        case RevisionState.BEHIND:
            return failed(
                _SCHEMA, about, "the schema is behind this version", "copy the file, then grace store upgrade"
            )
        case RevisionState.AHEAD:
            return failed(_SCHEMA, about, "a newer GRACE wrote it", "install that version again")


def engine_database(file: Path, *, is_ours: bool = False) -> CheckResult:
    """Look at the tables of the durable engine. They hold no fact: lost ones are made again, and runs go on."""
    check, about = "record.engine", str(file)
    if not file.exists():
        return well(check, about, "is not there yet: the next start makes it, and no fact is in it")
    try:
        with only_reading(file, is_ours=is_ours) as engine, engine.connect() as connection:
            tables = connection.exec_driver_sql(_COUNT_TABLES).scalar_one()
            level = connection.exec_driver_sql(_LEVEL).scalar() if tables else None
    except _NOT_WELL as error:
        advice = f"stop GRACE and move {file} away: no fact is in it, and open runs are settled from the ledger"
        return failed(check, about, f"cannot be read: {in_words(error)}", advice)
    if level is None:
        advice = f"stop GRACE and move {file} away: no fact is in it, and open runs are settled from the ledger"
        return doubtful(check, about, f"{tables} tables, none of the engine's migrations", advice)
    return well(check, about, f"{tables} tables, migration {level}; the engine brings them up at a start", float(level))


def ledger(reader: LedgerReader, key: VerifierKey, witness: Path, clock: Clock) -> CheckResult:
    """Hold the log against the newest checkpoint of its witness; reads a few rows for each doubling of the log."""
    about = str(witness)
    try:
        note, head = FileWitness(witness).newest(), reader.head()
        if note is None:
            return _unwitnessed(about, head.size)
        kept = open_checkpoint(note, key).head
        require_continuation(reader, kept, head)
        require_all_kept(kept.size, handed_to_witness(reader), FileWitness(witness).end())
        newest = reader.entry(head.size - 1)
    except (LedgerUntrustedError, NoteInvalidError, TileMissingError, RecordDamagedError) as error:
        return failed(_LEDGER, about, in_words(error), "read docs/ledger.md: a log that is not trusted")
    except OSError as error:
        return not_known(_LEDGER, about, f"cannot be read: {in_words(error)}", f"ls -l {witness}")
    except _NOT_WELL as error:
        found = f"the log cannot be read: {in_words(error)}"
        return failed(_LEDGER, about, found, "read docs/ledger.md: a log that is not trusted")
    ahead_s = 0.0 if newest is None else (newest.at - clock.now()).total_seconds()
    if newest is not None and ahead_s > LARGEST_SKEW_S:
        found = f"its newest entry is of {to_rfc3339(newest.at)}, {ahead_s:.1f} s ahead of now"
        return doubtful(_LEDGER, about, found, "set the clock: see `timedatectl`", ahead_s, "s")
    behind = head.size - kept.size
    found = f"{head.size} entries go on from the witnessed checkpoint of {kept.size}; {behind} newer"
    return well(_LEDGER, about, found, float(head.size), "entries")


def _unwitnessed(about: str, size: int) -> CheckResult:
    found = f"{size} entries, and the witness holds no checkpoint"
    if size:
        return failed(_LEDGER, about, found, "put the witness file back; after a move: grace serve --adopt-ledger")
    return well(_LEDGER, about, found, 0.0, "entries")
