"""Drafts for tests: of a type without projection, so that only the ledger is under test."""

from pydantic import JsonValue

from grace.model.events import EventType
from grace.model.ledger_entry import Draft


def draft(key: str, payload: dict[str, JsonValue] | None = None, run_id: str | None = None) -> Draft:
    return Draft(
        key=key,
        type=EventType.STEP_NOTED,
        actor="tester",
        run_id=run_id,
        service="orders",
        payload={"key": key} if payload is None else payload,
    )


def drafts(count: int, prefix: str = "k") -> list[Draft]:
    return [draft(f"{prefix}{number}") for number in range(count)]
