"""Erase the payload of an entry: its salt goes too, so that its digest tells nothing, and every proof still holds."""

from typing import Final

from sqlalchemy import delete, select

from grace.model.events import EventType, PayloadErased
from grace.model.ledger_entry import Draft, LedgerEntry
from grace.record import Transaction
from grace.record.ledger.rebuild import rebuild
from grace.record.store.projection import Projections
from grace.record.store.tables import ledger_entries, ledger_payloads, runs

_NEXT: Final = "`grace ledger` lists the entries."


class ErasureRefusedError(RuntimeError):
    """A payload that must not be erased now, or is not there."""

    def __init__(self, index: int, why: str, what_next: str) -> None:
        self.index = index
        super().__init__(f"The payload of entry {index} was not erased: {why}. {what_next}")


def erase(tx: Transaction, index: int, by: str, reason: str, projections: Projections) -> LedgerEntry:
    """Erase one payload, record that it was erased, and take it out of the read models; must run alone.

    Erasing twice returns the first erasure. The payload of an open run is refused: the run still needs it.
    """
    key = f"payload/{index}/erased"
    standing = tx.find(key)
    if standing is not None:
        return standing
    row = tx.connection.execute(select(ledger_entries).where(ledger_entries.c.index == index)).first()
    if row is None:
        raise ErasureRefusedError(index, "there is no such entry", _NEXT)
    if row.type == EventType.PAYLOAD_ERASED:
        raise ErasureRefusedError(index, "it says what was erased and why, and stays", _NEXT)
    open_run = select(runs.c.id).where(runs.c.id == row.run_id, runs.c.settlement.is_(None))
    if tx.connection.execute(open_run).first() is not None:
        raise ErasureRefusedError(index, f"{row.run_id} is not settled yet", f"Wait for it: `grace runs {row.run_id}`.")
    tx.connection.execute(delete(ledger_payloads).where(ledger_payloads.c.index == index))
    rebuild(tx.connection, projections)
    return tx.append(
        Draft(
            key=key,
            type=EventType.PAYLOAD_ERASED,
            actor=by,
            run_id=row.run_id,
            incident_id=row.incident_id,
            service=row.service,
            payload=PayloadErased(index=index, by=by, reason=reason).to_json(),
        )
    )
