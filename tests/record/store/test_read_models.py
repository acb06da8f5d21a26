from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Table, select, update

from grace.kit.clock import VirtualClock
from grace.model.events import PAYLOADS, EventType
from grace.model.incident import Incident
from grace.model.settlement import SettlementKind
from grace.record.ledger.erasure import ErasureRefusedError
from grace.record.opening import Record, RecordPlaces
from grace.record.store.damage import RecordDamagedError
from grace.record.store.read_models import PROJECTIONS
from grace.record.store.read_models.entries import EntryUnfitError
from grace.record.store.tables import (
    READ_MODELS,
    action_contracts,
    approval_answers,
    approvals,
    benchmark_runs,
    halts,
    incidents,
    ledger_payloads,
    plans,
    playbook_versions,
    quarantines,
    runs,
    safe_hold_snapshots,
)
from tests.record.samples import INCIDENT, NOW, PLAN_DIGEST, TARGET, fact, opened_run, settled_run, whole_run


def rows(record: Record, table: Table) -> list[Mapping[str, Any]]:
    with record.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def raw(record: Record) -> dict[str, list[tuple[object, ...]]]:
    """All read models as the database holds them, byte for byte."""
    with record.read() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table.name}"))
            for table in READ_MODELS
        }


@pytest.fixture
def told(record: Record, clock: VirtualClock) -> Record:
    for item in whole_run():
        clock.advance(1)
        record.append(item)
    return record


def test_a_run_is_followed_to_its_settlement(told: Record) -> None:
    (run,) = rows(told, runs)
    doc = run["doc"]
    assert (run["stage"], run["settlement"], run["tier"], run["reason"]) == ("settled", "rolled_back", 2, None)
    assert (run["playbook"], run["plan_digest"]) == ("restore-config", PLAN_DIGEST)
    assert set(doc) == {"run", "diagnosis", "decision", "settlement"}
    assert run["opened_at"] < run["settled_at"] == run["updated_at"]


def test_every_stage_is_seen_on_the_way(record: Record) -> None:
    seen: list[str] = []
    for item in whole_run():
        record.append(item)
        stages = [row["stage"] for row in rows(record, runs)]
        if stages and stages != seen[-1:]:
            seen += stages
    assert seen == [
        "opened",
        "diagnosed",
        "planned",
        "decided",
        "waiting",
        "approved",
        "snapshot",
        "executed",
        "judged",
        "undone",
        "settled",
    ]


def test_an_incident_has_its_cause_and_its_end(told: Record) -> None:
    (incident,) = rows(told, incidents)
    assert (incident["state"], incident["cause"], incident["count"]) == ("closed", "bad_config", 1)
    assert incident["doc"]["title"] == "database is locked"


def test_an_incident_that_comes_back_is_open_again_and_its_counters_only_grow(told: Record) -> None:
    later = NOW + timedelta(hours=5)
    again = INCIDENT.model_copy(update={"occurrence": 2, "count": 7, "last_seen": later, "first_seen": later})
    told.append(fact("inc_1/opened/2", EventType.INCIDENT_OPENED, again, None))
    (incident,) = rows(told, incidents)
    assert (incident["state"], incident["count"]) == ("open", 7)
    assert (incident["first_seen"], incident["last_seen"]) == (NOW, later)


def test_an_approval_is_used_and_the_first_answer_of_a_person_stands(told: Record) -> None:
    (approval,), (answer,) = rows(told, approvals), rows(told, approval_answers)
    assert (approval["state"], approval["quorum"], approval["plan_digest"]) == ("used", 1, PLAN_DIGEST)
    assert (answer["by"], answer["grants"]) == ("ann", True)


def test_what_was_promised_stands_beside_what_was_judged(told: Record) -> None:
    (contract,) = rows(told, action_contracts)
    assert (contract["verdict"], contract["plan_digest"]) == ("violated", PLAN_DIGEST)
    assert set(contract["doc"]) == {"contract", "verdict"}


def test_a_snapshot_tells_whether_the_way_back_was_complete(told: Record) -> None:
    assert [row["state"] for row in rows(told, safe_hold_snapshots)] == ["restored"]


def test_one_plan_is_one_row_even_when_two_runs_make_it(told: Record) -> None:
    plan = next(item for item in whole_run() if item.type is EventType.PLAN_MADE)
    told.append_all(
        [opened_run("run_2"), plan.model_copy(update={"key": "run_2/plan", "run_id": "run_2"})],
    )
    assert [(row["digest"], row["run_id"]) for row in rows(told, plans)] == [(PLAN_DIGEST, "run_1")]
    assert sorted(row["run_id"] for row in rows(told, action_contracts)) == ["run_1", "run_2"]


def test_there_is_one_golden_run_per_benchmark(told: Record) -> None:
    assert [row["golden"] for row in rows(told, benchmark_runs)] == [False, False, True]


def test_a_quarantine_and_a_halt_begin_and_end(told: Record) -> None:
    (quarantine,), (halt,) = rows(told, quarantines), rows(told, halts)
    assert quarantine["target"] == TARGET.key
    assert quarantine["since"] < quarantine["ended_at"]
    assert halt["since"] < halt["ended_at"]


def test_a_playbook_version_keeps_the_digest_under_which_it_was_first_loaded(told: Record) -> None:
    assert [row["digest"] for row in rows(told, playbook_versions)] == ["sha256:" + "0" * 64]


def test_a_rebuild_makes_the_same_rows_byte_for_byte(told: Record) -> None:
    before = raw(told)
    assert all(before.values())
    with_damage = update(runs).values(settlement="committed")
    told.run(lambda tx: tx.connection.execute(with_damage))
    assert raw(told) != before
    assert told.rebuild() == len(whole_run())
    assert raw(told) == before


def test_a_rebuild_keeps_the_counters_that_doors_advanced(told: Record) -> None:
    later = NOW + timedelta(days=1)
    counted = update(incidents).values(count=123_456, last_seen=later)
    told.run(lambda tx: tx.connection.execute(counted))
    told.rebuild()
    assert [(row["count"], row["last_seen"]) for row in rows(told, incidents)] == [(123_456, later)]


def test_a_rebuild_waits_for_its_turn_and_misses_nothing(told: Record) -> None:
    futures = [told.writer.submit_append(opened_run(f"run_x{number}")) for number in range(50)]
    told.rebuild()
    assert len(rows(told, runs)) == 51
    assert {future.result(10).type for future in futures} == {EventType.RUN_OPENED}


def test_an_entry_that_stands_already_is_not_projected_again(told: Record) -> None:
    before = raw(told)
    for item in whole_run():
        told.append(item)
    told.append_all(whole_run())
    assert raw(told) == before


def test_an_entry_whose_payload_is_not_its_noun_is_refused_and_nothing_is_written(record: Record) -> None:
    with pytest.raises(ValidationError):
        record.append(fact("bad", EventType.RUN_OPENED, {"id": 1}))
    with pytest.raises(EntryUnfitError, match="run_id"):
        record.append(settled_run(SettlementKind.COMMITTED).model_copy(update={"run_id": None}))
    assert record.head().size == 0
    assert rows(record, runs) == []


def test_a_row_whose_document_is_no_object_is_damage_and_nothing_is_written_over_it(record: Record) -> None:
    opened = record.append(opened_run())
    record.run(lambda tx: tx.driver.execute("UPDATE runs SET doc = '[]'"))
    with pytest.raises(RecordDamagedError, match="no object"):
        record.append(settled_run(SettlementKind.COMMITTED))
    assert record.head().size == opened.index + 1
    assert rows(record, runs)[0]["doc"] == []


def test_every_projected_event_is_a_known_one() -> None:
    assert set(PROJECTIONS) <= set(PAYLOADS)


def test_an_erased_payload_is_gone_from_entry_row_and_file(told: Record, places: RecordPlaces) -> None:
    secret = "erase-me-7f3a"
    sad: Incident = INCIDENT.model_copy(update={"id": "inc_2", "title": secret})
    index = told.append(fact("inc_2/opened", EventType.INCIDENT_OPENED, sad, None)).index
    erased = told.erase(index, "ann", "asked to")
    assert erased.type is EventType.PAYLOAD_ERASED
    assert erased.payload == {"index": index, "by": "ann", "reason": "asked to"}
    entry = told.entry(index)
    assert entry is not None
    assert entry.is_erased
    assert entry.key == "inc_2/opened"
    assert [row["id"] for row in rows(told, incidents)] == ["inc_1"]
    with told.read() as connection:
        assert connection.execute(select(ledger_payloads).where(ledger_payloads.c.index == index)).first() is None
    assert told.erase(index, "bob", "again") == erased
    told.close()
    files = [path for path in places.database.parent.iterdir() if path.name.startswith(places.database.name)]
    assert [path.name for path in files if secret.encode() in path.read_bytes()] == []


def test_after_an_erasure_a_rebuild_changes_nothing(told: Record) -> None:
    told.erase(4, "ann", "asked to")
    before = raw(told)
    told.rebuild()
    assert raw(told) == before


def test_what_must_stay_is_not_erased(record: Record) -> None:
    index = record.append(opened_run()).index
    with pytest.raises(ErasureRefusedError, match="run_1 is not settled"):
        record.erase(index, "ann", "asked to")
    record.append(settled_run(SettlementKind.COMMITTED))
    erased = record.erase(index, "ann", "asked to")
    with pytest.raises(ErasureRefusedError, match="what was erased"):
        record.erase(erased.index, "ann", "asked to")
    with pytest.raises(ErasureRefusedError, match="no such entry"):
        record.erase(99, "ann", "asked to")
