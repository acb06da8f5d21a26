"""Upkeep of the store in a data folder that no server has open. A server needs none of this, and never imports it."""

from __future__ import annotations

from grace.record.ledger.auditing import Audit
from grace.record.ledger.checking import Checked, check
from grace.record.opening import open_record, witnessed_head
from grace.record.store.engine import open_engine
from grace.record.store.migrating import HEAD, upgrade
from grace.record.store.read_models import PROJECTIONS
from grace.settings import Settings
from grace.wiring.offline import only_one, places

__all__ = ["Audit", "Checked", "check_store", "rebuild_store", "upgrade_store"]


def upgrade_store(settings: Settings) -> str:
    """Bring the schema to this version; return its revision."""
    with only_one(settings.data_folder.resolve()):
        engine = open_engine(places(settings).database)
        try:
            upgrade(engine)
        finally:
            engine.dispose()
    return HEAD


def rebuild_store(settings: Settings) -> int:
    """Make the read models again from the ledger; return how many entries were replayed."""
    with only_one(settings.data_folder.resolve()), open_record(places(settings)) as record:
        return record.rebuild()


def check_store(settings: Settings) -> Checked:
    """Say which entries are not as they were signed, and which rows of the read models not what the entries make.

    Nothing is changed.
    """
    where = places(settings)
    with only_one(settings.data_folder.resolve()):
        return check(where.database, PROJECTIONS, witnessed_head(where))
