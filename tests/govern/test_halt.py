from __future__ import annotations

from pathlib import Path

from grace.govern.halt.switch import EVERYWHERE, Halt, HaltSwitch
from grace.kit.clock import SystemClock
from grace.kit.ids import IdMint
from grace.model.events import EventType
from grace.model.warrant import Refusal
from grace.record.opening import Record, RecordPlaces, open_record


def switch(record: Record) -> HaltSwitch:
    return HaltSwitch(record, record, IdMint(SystemClock()))


def is_halted(record: Record, service: str) -> bool:
    with record.state() as driver:
        return switch(record).is_halted_at(driver, service)


def test_nothing_is_halted_at_first(record: Record) -> None:
    assert not is_halted(record, "orders")
    assert switch(record).standing() == ()


def test_a_halt_of_one_service_stops_that_service_alone(record: Record) -> None:
    switch(record).start("orders", "ada", "deploying")
    assert is_halted(record, "orders")
    assert not is_halted(record, "billing")


def test_a_halt_everywhere_stops_every_service(record: Record) -> None:
    halt = switch(record).start(EVERYWHERE, "ada", "I do not trust it")
    assert is_halted(record, "orders")
    assert (halt.scope, halt.by, halt.reason, halt.ended_at) == ("*", "ada", "I do not trust it", None)


def test_a_second_halt_of_the_same_scope_is_the_first(record: Record) -> None:
    halts = switch(record)
    assert halts.start("orders", "ada", "one") == halts.start("orders", "bob", "two")
    assert len(halts.standing()) == 1


def test_ending_a_halt_leaves_the_others(record: Record) -> None:
    halts = switch(record)
    mine, everywhere = halts.start("orders", "ada", ""), halts.start(EVERYWHERE, "bob", "")
    ended = halts.end(everywhere.id, "bob", "over")
    assert isinstance(ended, Halt)
    assert ended.ended_at is not None
    assert halts.standing() == (mine,)
    assert is_halted(record, "orders")
    assert not is_halted(record, "billing")


def test_a_halt_ends_once(record: Record) -> None:
    halts = switch(record)
    halt = halts.start("orders", "ada", "")
    halts.end(halt.id, "ada", "")
    for again, rule in ((halt.id, "halt-ended"), ("hlt_gone", "no-halt")):
        refused = halts.end(again, "ada", "")
        assert isinstance(refused, Refusal)
        assert refused.rule == rule
    assert not is_halted(record, "orders")
    assert halts.start("orders", "ada", "").id != halt.id


def test_a_halt_survives_a_restart_and_a_rebuild(tmp_path: Path) -> None:
    with open_record(RecordPlaces.within(tmp_path)) as record:
        halt = switch(record).start("orders", "ada", "deploying")
    with open_record(RecordPlaces.within(tmp_path)) as record:
        assert switch(record).standing() == (halt,)
        record.rebuild()
        assert switch(record).standing() == (halt,)


def test_start_and_end_are_on_the_record_with_who_and_why(record: Record) -> None:
    halts = switch(record)
    halts.end(halts.start("orders", "ada", "deploying").id, "bob", "deployed")
    told = [
        (entry.type, entry.actor, entry.service, (entry.payload or {})["reason"])
        for entry in record.entries(types={EventType.HALT_STARTED, EventType.HALT_ENDED})
    ]
    assert told == [
        (EventType.HALT_STARTED, "ada", "orders", "deploying"),
        (EventType.HALT_ENDED, "bob", "orders", "deployed"),
    ]
