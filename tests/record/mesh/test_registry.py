from __future__ import annotations

import pytest
from pydantic import ValidationError

from grace.kit.clock import VirtualClock
from grace.model.events import PAYLOADS, EventType
from grace.model.ledger_entry import Draft
from grace.model.noun import Noun
from grace.record.mesh import delivery
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.registry import RegistryIncompleteError, require_complete
from grace.record.opening import Record


def test_every_type_has_a_model_and_a_name_that_patterns_can_mean() -> None:
    require_complete(EventType, PAYLOADS)
    assert set(PAYLOADS) == set(EventType)


def test_a_type_without_a_model_stops_the_start(
    record: Record, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: dict[EventType, type[Noun]] = {
        kind: noun for kind, noun in PAYLOADS.items() if kind is not EventType.RUN_SETTLED
    }
    monkeypatch.setattr(delivery, "PAYLOADS", registered)
    with pytest.raises(RegistryIncompleteError, match=r"run\.settled") as refused:
        Mesh(record, record.reader, clock)
    assert refused.value.wrong == ("run.settled",)


def test_nothing_of_an_unregistered_type_can_be_written() -> None:
    with pytest.raises(ValidationError, match="type"):
        Draft.model_validate({"key": "k", "type": "run.vanished", "actor": "me", "payload": {}})
