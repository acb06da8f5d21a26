"""Upkeep of the store in a data folder that no server has open. A server needs none of this, and never imports it."""

from __future__ import annotations

from grace.record.ledger.checking import Checked, check
from grace.record.opening import open_record
from grace.record.store.engine import open_engine
from grace.record.store.migrating import HEAD, upgrade
from grace.record.store.read_models import PROJECTIONS
from grace.settings import Settings
from grace.wiring.offline import only_one, places


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
    """Say which rows of the read models are not what the ledger makes of them; nothing is changed."""
    with only_one(settings.data_folder.resolve()):
        return check(places(settings).database, PROJECTIONS)
