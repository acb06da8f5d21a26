import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from grace.kit.clock import VirtualClock
from grace.record.ledger.note import VerifierKey, open_checkpoint, split_notes
from grace.record.ledger.reading import LedgerReader
from grace.record.ledger.tiles import TileMissingError
from grace.record.ledger.tree import TreeHead
from grace.record.ledger.witness import FileWitness, LedgerUntrustedError
from grace.record.opening import Record, RecordPlaces, open_record
from grace.record.store.engine import StoreUnusableError
from tests.record.drafts import draft, drafts

_TABLES = ("ledger_entries", "ledger_payloads", "ledger_tiles", "meta")


def change(places: RecordPlaces, *statements: str) -> None:
    """Do to the database what somebody with a shell would do."""
    with closing(sqlite3.connect(places.database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def witnessed_sizes(places: RecordPlaces, key: str) -> list[int]:
    notes = split_notes(places.witness.read_text())
    return [open_checkpoint(note, VerifierKey.parse(key)).head.size for note in notes]


@pytest.fixture
def filled(places: RecordPlaces) -> RecordPlaces:
    with open_record(places, clock=VirtualClock()) as record:
        record.append_all(drafts(300))
    return places


def test_the_empty_log_is_witnessed_before_its_first_entry(record: Record, places: RecordPlaces) -> None:
    assert witnessed_sizes(places, record.verifier_key) == [0]


def test_a_closed_record_is_witnessed_to_its_end_and_opens_again(filled: RecordPlaces) -> None:
    with open_record(filled) as record:
        assert witnessed_sizes(filled, record.verifier_key)[-1] == 300
        assert record.append(draft("next")).index == 300


def test_what_was_appended_is_witnessed_at_the_latest_when_closed(record: Record, places: RecordPlaces) -> None:
    record.append(draft("a"))
    record.close()
    assert witnessed_sizes(places, record.verifier_key)[-1] == 1
    assert record.checkpointer.trouble is None


def test_checkpoints_are_at_least_an_interval_apart(places: RecordPlaces) -> None:
    clock = VirtualClock()
    with open_record(places, clock=clock, witness_interval_s=60) as record:
        for number in range(50):
            record.append(draft(f"k{number}"))
    signed_while_running = len(witnessed_sizes(places, record.verifier_key)) - 2
    assert signed_while_running <= clock.waited_s / 60 + 1


def test_nothing_new_is_nothing_to_sign(filled: RecordPlaces) -> None:
    with open_record(filled) as record:
        before = filled.witness.read_bytes()
        assert record.checkpointer.witness_now().head == record.head()
        record.append(draft("k7"))
    assert filled.witness.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (['DELETE FROM ledger_entries WHERE "index" >= 290'], "cut off"),
        (["DELETE FROM ledger_entries", "DELETE FROM ledger_payloads", "DELETE FROM ledger_tiles"], "cut off"),
        (["UPDATE ledger_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND tile = 18"], "changed"),
        (["UPDATE ledger_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1"], "changed"),
        (["UPDATE meta SET value = 'grace.local/other' WHERE key = 'ledger.origin'"], "not one of this log"),
        (["DELETE FROM meta"], "its name is gone"),
        (["DELETE FROM ledger_payloads"], "the payload of entry 299 is gone"),
        *(([f"DROP TABLE {name}"], f"no table {name}") for name in _TABLES),
    ],
)
def test_a_log_that_does_not_continue_its_checkpoint_is_refused(
    filled: RecordPlaces, statements: list[str], says: str
) -> None:
    change(filled, *statements)
    with pytest.raises(LedgerUntrustedError, match=says):
        open_record(filled)


def test_a_log_whose_tree_lost_a_tile_is_refused(filled: RecordPlaces) -> None:
    change(filled, "DELETE FROM ledger_tiles WHERE level = 0 AND tile = 18")
    with pytest.raises(TileMissingError, match="damaged"):
        open_record(filled)


def test_a_payload_without_its_entry_is_refused_before_anything_is_to_be_written(filled: RecordPlaces) -> None:
    change(filled, 'INSERT INTO ledger_payloads SELECT 300, salt, payload FROM ledger_payloads WHERE "index" = 299')
    with pytest.raises(LedgerUntrustedError, match="a payload 300, but its last entry is 299"):
        open_record(filled)


def test_a_changed_newest_entry_is_noticed_at_the_next_start(filled: RecordPlaces) -> None:
    change(filled, "UPDATE ledger_entries SET actor = 'nobody' WHERE \"index\" = 299")
    with pytest.raises(LedgerUntrustedError, match="entry 299"):
        open_record(filled)


def _lose_the_database(places: RecordPlaces) -> None:
    for suffix in ("", "-wal", "-shm"):
        places.database.with_name(places.database.name + suffix).unlink(missing_ok=True)


def _lose_the_key(places: RecordPlaces) -> None:
    places.key.unlink()


def _lose_the_witness(places: RecordPlaces) -> None:
    places.witness.unlink()


def _replace_the_key(places: RecordPlaces) -> None:
    other = RecordPlaces.within(places.key.parent / "other")
    open_record(other).close()
    other.key.replace(places.key)


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (_lose_the_database, "database is new"),
        (_lose_the_key, "signing key .* is gone"),
        (_lose_the_witness, "holds no checkpoint"),
        (_replace_the_key, "not one of this log"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    filled: RecordPlaces, lose: Callable[[RecordPlaces], None], says: str
) -> None:
    lose(filled)
    with pytest.raises(LedgerUntrustedError, match=says):
        open_record(filled)


def test_a_planned_move_can_be_adopted_but_a_contradiction_cannot(filled: RecordPlaces) -> None:
    _lose_the_witness(filled)
    open_record(filled, adopt=True).close()
    open_record(filled).close()
    change(filled, "UPDATE ledger_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND tile = 18")
    with pytest.raises(LedgerUntrustedError):
        open_record(filled, adopt=True)


def test_an_older_copy_of_everything_but_the_witness_is_refused(places: RecordPlaces, tmp_path: Path) -> None:
    with open_record(places) as record:
        record.append_all(drafts(10))
    old = places.database.read_bytes()
    with open_record(places) as record:
        record.append(draft("later"))
    _lose_the_database(places)
    places.database.write_bytes(old)
    with pytest.raises(LedgerUntrustedError, match="cut off"):
        open_record(places)


def test_a_log_changed_while_running_is_not_signed_any_more(places: RecordPlaces) -> None:
    with open_record(places) as record:
        record.append_all(drafts(300))
        record.checkpointer.witness_now()
        change(places, "UPDATE ledger_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 1")
        record.append(draft("next"))
        with pytest.raises(LedgerUntrustedError, match="changed"):
            record.checkpointer.witness_now()
    assert record.checkpointer.trouble is not None
    assert "changed" in record.checkpointer.trouble
    assert witnessed_sizes(places, record.verifier_key)[-1] == 300


class FullWitness:
    """A witness whose disk is full until somebody makes room."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_full = False

    def newest(self) -> str | None:
        return self.notes[-1] if self.notes else None

    def torn(self) -> bytes:
        return b""

    def end(self) -> str:
        return f"note {len(self.notes)}"

    def keep(self, note: str) -> None:
        if self.is_full:
            message = "No space left on device"
            raise OSError(message)
        self.notes.append(note)


def test_a_witness_that_cannot_keep_is_told_and_tried_again(places: RecordPlaces) -> None:
    witness = FullWitness()
    with open_record(places, witness=witness) as record:
        witness.is_full = True
        record.append(draft("a"))
        with pytest.raises(OSError, match="No space"):
            record.checkpointer.witness_now()
        record.checkpointer._try()  # pyright: ignore[reportPrivateUsage]
        assert "No space" in (record.checkpointer.trouble or "")
        witness.is_full = False
    assert record.checkpointer.trouble is None
    assert len(witness.notes) == 2


def test_a_log_that_cannot_be_read_for_a_moment_is_told_and_tried_again(
    places: RecordPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_reader: LedgerReader, _size: int | None = None) -> TreeHead:
        message = "disk I/O error"
        raise sqlite3.OperationalError(message)

    witness = FullWitness()
    with open_record(places, witness=witness) as record, monkeypatch.context() as patched:
        patched.setattr(LedgerReader, "head", fail)
        record.append(draft("a"))
        record.checkpointer._try()  # pyright: ignore[reportPrivateUsage]
        assert "disk I/O error" in (record.checkpointer.trouble or "")
    assert record.checkpointer.trouble is None
    assert open_checkpoint(witness.notes[-1], VerifierKey.parse(record.verifier_key)).head.size == 1


def test_a_torn_note_is_neither_believed_nor_kept(record: Record, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "witness")
    notes: list[str] = []
    for number in range(3):
        record.append(draft(f"k{number}"))
        notes.append(record.checkpoint())
        witness.keep(notes[-1])
    whole = witness.path.read_bytes()
    last = len(notes[-1].encode()) + 1
    for cut in range(1, last):
        witness.path.write_bytes(whole[:-cut])
        assert witness.newest() == notes[1]
        witness.keep(notes[2])
        assert witness.path.read_bytes() == whole


def test_what_a_new_note_is_written_over_is_kept_beside_it(record: Record, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "witness")
    witness.keep(record.checkpoint())
    with witness.path.open("ab") as file:
        file.write(b"half a note")
    record.append(draft("a"))
    witness.keep(record.checkpoint())
    assert (tmp_path / "witness.torn").read_bytes() == b"half a note\n"
    assert b"half a note" not in witness.path.read_bytes()


@pytest.mark.parametrize("left", [50, 120, 231, 233, 300, 464, 470])
@pytest.mark.parametrize("adopt", [False, True])
def test_a_cut_witness_is_told_apart_from_a_new_one_and_stays_as_it_is(
    places: RecordPlaces, left: int, adopt: bool
) -> None:
    for number in range(3):
        with open_record(places, clock=VirtualClock()) as record:
            record.append_all(drafts(100, f"life-{number}"))
    cut = places.witness.read_bytes()[:left]
    places.witness.write_bytes(cut)
    with pytest.raises(LedgerUntrustedError, match="the file was cut"):
        open_record(places, adopt=adopt)
    assert places.witness.read_bytes() == cut


def test_a_cut_witness_is_told_with_its_file_and_line(filled: RecordPlaces) -> None:
    whole = filled.witness.read_bytes()
    filled.witness.write_bytes(whole[:300])
    with pytest.raises(LedgerUntrustedError) as caught:
        open_record(filled)
    assert f"{filled.witness}, line 6: the newest checkpoint there is of 0 entries, but one of 300" in str(caught.value)
    filled.witness.write_bytes(whole[240:400])
    with pytest.raises(LedgerUntrustedError) as caught:
        open_record(filled)
    assert f"{filled.witness}, line 1: 160 bytes stand there and no whole checkpoint" in str(caught.value)


def test_a_database_that_was_lost_beside_a_cut_witness_does_not_begin_a_new_log_over_it(filled: RecordPlaces) -> None:
    cut = filled.witness.read_bytes()[:300]
    filled.witness.write_bytes(cut)
    _lose_the_database(filled)
    with pytest.raises(LedgerUntrustedError, match="database is new"):
        open_record(filled)
    assert filled.witness.read_bytes() == cut


def test_a_first_note_that_a_power_cut_tore_is_written_again(places: RecordPlaces) -> None:
    open_record(places).close()
    whole = places.witness.read_bytes()
    for torn in (b"", whole[:20], whole[:60], whole[:-1], b"\0" * 40):
        places.witness.write_bytes(torn)
        open_record(places).close()
        assert places.witness.read_bytes() == whole


def test_the_newest_note_is_found_without_reading_the_whole_file(record: Record, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "witness")
    note = record.checkpoint()
    witness.path.write_text(f"{note}\n" * 2000)
    record.append(draft("a"))
    newest = record.checkpoint()
    witness.keep(newest)
    assert witness.newest() == newest
    assert witness.path.read_text().count("\n\n—") == 2001


def test_a_checkpoint_tells_origin_size_and_root(record: Record) -> None:
    record.append_all(drafts(5))
    key = VerifierKey.parse(record.verifier_key)
    checkpoint = open_checkpoint(record.checkpoint(), key)
    assert checkpoint.origin == key.name
    assert checkpoint.head == record.head() == TreeHead(5, record.head().root)


def test_a_growing_log_is_witnessed_without_being_asked(places: RecordPlaces) -> None:
    witness = SignallingWitness()
    with open_record(places, witness=witness) as record:
        record.append(draft("a"))
        assert witness.kept_two.wait(20)
        key = VerifierKey.parse(record.verifier_key)
        assert open_checkpoint(witness.notes[1], key).head.size == 1


class SignallingWitness(FullWitness):
    """Tell when a second note, one beyond the empty log, was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept_two = threading.Event()

    def keep(self, note: str) -> None:
        super().keep(note)
        if len(self.notes) > 1:
            self.kept_two.set()


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DROP TABLE incidents", "table incidents"),
        ("DROP TABLE resource_locks", "table resource_locks"),
        ("ALTER TABLE tokens DROP COLUMN revoked_at", "column tokens.revoked_at"),
        ("ALTER TABLE runs RENAME COLUMN doc TO document", "column runs.doc"),
        ("DROP INDEX ix_resource_locks_run_id", "index ix_resource_locks_run_id"),
    ],
)
def test_a_schema_that_lacks_a_part_refuses_the_start(filled: RecordPlaces, statement: str, missing: str) -> None:
    change(filled, "PRAGMA foreign_keys = OFF", statement)
    with pytest.raises(StoreUnusableError, match=f"lacks {missing}, .*Put back the newest copy"):
        open_record(filled)


class Interrupted(VirtualClock):
    """A clock whose next sleep is cut off, as a tool or a signal handler may do."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = threading.Event()

    def sleep(self, seconds: float) -> None:
        if not self.is_cut.is_set():
            self.is_cut.set()
            raise OSError(22, "Invalid argument")
        super().sleep(seconds)


def test_the_checkpointer_goes_on_after_an_accident_and_says_so(places: RecordPlaces) -> None:
    clock = Interrupted()
    with open_record(places, clock=clock) as record:
        record.append(draft("a"))
        assert clock.is_cut.wait(30)
        record.append(draft("b"))
        while record.checkpointer.kept.size < 2:
            threading.Event().wait(0.01)
        assert record.checkpointer.thread.down is None
        assert "Invalid argument" in (record.checkpointer.thread.trouble or "")
