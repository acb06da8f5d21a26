"""What must be true after every cut, read from the record as an outsider would read it."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from grace.act.safehold.vault import open_vault
from grace.kit.canonical import canonical
from grace.model.events import EventType
from grace.model.ledger_entry import LedgerEntry
from grace.model.run import RunKind
from grace.model.settlement import SettlementKind
from grace.record.ledger.verification import verify_export
from grace.record.opening import Record, RecordPlaces, open_record
from tests.crash.lives import Acknowledged
from tests.crash.scenarios import ROLLED_BACK, Scenario
from tests.crash.worlds import World

_ADDRESS = re.compile(rb"vault:[0-9a-f]{64}")
_MOST_ATTEMPTS = 3


def require_all(folder: Path, scenario: Scenario, world: World, witnesses: list[Path], known: Acknowledged) -> str:
    """Return how the heal ended; raise AssertionError when anything that is guaranteed does not hold."""
    data = folder / "data"
    with open_record(RecordPlaces.within(data)) as record:
        entries = list(record.entries())
        assert record.head().size > known.highest, f"entry {known.highest} was acknowledged and is lost"
        _require_verified(record, folder, witnesses)
        _require_nothing_held(record)
        heal, undo = _settlements(entries, known)
        _require_quarantines(record, {SettlementKind.HELD, SettlementKind.NOT_RESTORED} & {undo or heal})
    _require_never_silent(entries)
    _require_each_once(entries)
    _require_vault(data, entries)
    _require_no_output_in_plain(data)
    _require_same_steps_again(data)
    assert heal in scenario.allowed, f"ended {heal}: {_sentences(entries)}"
    assert undo in {None, ROLLED_BACK}, f"the undo ended {undo}: {_sentences(entries)}"
    try:
        world.require(heal, undo)
    except AssertionError as error:
        message = f"{error}; settled {heal}, {undo}: {_sentences(entries)}"
        raise AssertionError(message) from error
    return heal


def _require_verified(record: Record, folder: Path, witnesses: list[Path]) -> None:
    """Verify an export offline against what the witness held at each cut and holds now."""
    export = folder / "ledger.jsonl"
    record.export(export)
    for witness in (*witnesses, folder / "data" / "ledger.checkpoints"):
        report = verify_export(export, witness.read_text(), record.verifier_key)
        assert report.is_valid, f"{witness.name}: {report.findings}"


def _require_same_steps_again(data: Path) -> None:
    """A walk that takes other steps when it is carried on falls over, and waits for the next round of the watch."""
    engine = data / "engine.db"
    if not engine.exists():  # Lost with the last cut, after which nothing was left to do.
        return
    with closing(sqlite3.connect(engine)) as connection:
        fallen = connection.execute(
            "SELECT workflow_uuid, error FROM workflow_output WHERE error LIKE '%UnexpectedStep%'"
        ).fetchall()
    assert not fallen, f"not the same steps again: {fallen}"


def _require_nothing_held(record: Record) -> None:
    with record.read() as connection:
        locks = connection.execute(text("SELECT target, run_id FROM resource_locks")).all()
    assert not locks, f"still locked: {locks}"


def _settlements(entries: list[LedgerEntry], known: Acknowledged) -> tuple[SettlementKind, SettlementKind | None]:
    opened = _kinds(entries, EventType.RUN_OPENED)
    settled = _kinds(entries, EventType.RUN_SETTLED)
    assert sorted(run for run, _ in settled) == sorted(run for run, _ in opened), "one settlement for each run"
    assert known.settled.items() <= dict(settled).items(), f"told {known.settled}, on record {settled}"
    ends = dict(settled)
    by_kind = {kind: SettlementKind(ends[run]) for run, kind in opened}
    assert len(by_kind) == len(opened), f"one run of each kind for one incident, not {opened}"
    return by_kind[RunKind.HEAL], by_kind.get(RunKind.UNDO)


def _require_never_silent(entries: list[LedgerEntry]) -> None:
    """A heal that did not commit is handed over, in the commit that settles it; a healed one to nobody."""
    opened = dict(_kinds(entries, EventType.RUN_OPENED))
    settled = {run for run, kind in _kinds(entries, EventType.RUN_SETTLED) if kind != SettlementKind.COMMITTED}
    unhealed = {run for run in settled if opened[run] == RunKind.HEAL}
    handed = [entry.run_id for entry in entries if entry.type is EventType.INCIDENT_ESCALATED]
    assert sorted(unhealed) == sorted(map(str, handed)), f"unhealed {unhealed}, handed over {handed}"


def _kinds(entries: list[LedgerEntry], type_: EventType) -> list[tuple[str, str]]:
    """Return the run and the kind that each entry of a type tells."""
    return [(str(entry.run_id), str((entry.payload or {})["kind"])) for entry in entries if entry.type is type_]


def _require_quarantines(record: Record, closing: set[SettlementKind]) -> None:
    with record.read() as connection:
        closed = connection.execute(text("SELECT target FROM quarantines WHERE ended_at IS NULL")).all()
    assert bool(closed) == bool(closing), f"quarantined: {closed}, settled: {closing}"


def _require_each_once(entries: list[LedgerEntry]) -> None:
    signals = [entry for entry in entries if entry.type is EventType.ERROR_DETECTED]
    assert len(signals) == 1, "one signal, counted once"
    used = [entry for entry in entries if entry.type is EventType.APPROVAL_USED]
    assert len(used) <= 1, "an approval is used once"
    intended = Counter(entry.key.rpartition("/")[0] for entry in entries if entry.type is EventType.STEP_INTENDED)
    finished = Counter(entry.key for entry in entries if entry.type is EventType.STEP_FINISHED)
    assert all(count <= _MOST_ATTEMPTS for count in intended.values()), intended
    assert all(count == 1 for count in finished.values()), finished


def _require_vault(data: Path, entries: list[LedgerEntry]) -> None:
    """Read every content that the ledger names."""
    vault = open_vault(data / "vault", data / "vault.key")
    for entry in entries:
        for address in _ADDRESS.findall(canonical(entry.payload or {})):
            vault.get(address.decode())


def _require_no_output_in_plain(data: Path) -> None:
    """What commands wrote is in the vault or gone once their runs are settled."""
    left = [str(file) for file in (data / "handles").glob("command_*/std*") if file.stat().st_size]
    assert not left, f"output in plain: {left}"


def _sentences(entries: list[LedgerEntry]) -> list[object]:
    return [(entry.payload or {}).get("sentence") for entry in entries if entry.type is EventType.RUN_SETTLED]
