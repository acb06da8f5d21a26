"""An entry that was written just now knows the noun it was made from; one that is read is read from its payload."""

import pytest
from pydantic import ValidationError

from grace.model.events import EventType
from grace.model.ledger_entry import Draft
from grace.model.settlement import Settlement
from grace.model.verdict import Verdict
from grace.record.opening import Record
from tests.record.samples import INCIDENT


def _draft(key: str) -> Draft:
    about = {"run_id": None, "incident_id": INCIDENT.id, "service": INCIDENT.service}
    fields: dict[str, object] = {"key": key, "type": EventType.INCIDENT_OPENED, "actor": "grace", **about}
    return Draft.telling(INCIDENT, fields)


def test_what_was_written_is_not_read_again_and_what_is_read_is_equal(record: Record) -> None:
    written = record.append(_draft("inc_1/opened/1"))
    assert written.noun(type(INCIDENT)) is INCIDENT
    read = record.find("inc_1/opened/1")
    assert read is not None
    assert read == written
    assert read.noun(type(INCIDENT)) == INCIDENT
    assert read.noun(type(INCIDENT)) is not INCIDENT


def test_the_entry_that_stands_tells_its_own_noun_and_not_that_of_a_later_draft(record: Record) -> None:
    record.append(_draft("inc_1/opened/1"))
    other = INCIDENT.model_copy(update={"title": "another"})
    late = record.append(Draft.telling(other, dict(_draft("inc_1/opened/1").__dict__)))
    assert late.noun(type(INCIDENT)) == INCIDENT


def test_an_erased_payload_is_no_noun(record: Record) -> None:
    entry = record.append(_draft("inc_1/opened/1"))
    record.erase(entry.index, "ada", "asked for")
    read = record.find("inc_1/opened/1")
    assert read is not None
    assert read.noun(type(INCIDENT)) is None


@pytest.mark.parametrize("kind", [Settlement, Verdict])
def test_another_noun_than_the_payload_is_an_error(record: Record, kind: type[Settlement | Verdict]) -> None:
    entry = record.append(_draft("inc_1/opened/1"))
    with pytest.raises(ValidationError):
        entry.noun(kind)


def test_a_copy_knows_no_noun_but_its_payload() -> None:
    changed = _draft("a").model_copy(update={"payload": {"not": "an incident"}})
    assert not hasattr(changed, "_told")
