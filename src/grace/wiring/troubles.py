"""What stops a start or an offline command, by what the person has to mend; each says itself what to do."""

from __future__ import annotations

from typing import Final

from grace.act.executors.finding import ActionsFlawedError
from grace.act.healing.engine_file import EngineUnusableError
from grace.act.healing.shelf import ShelfFlawedError
from grace.act.safehold.vault import VaultGone, VaultKeyUnsafe
from grace.api.tokens import NameRefusedError
from grace.govern.policy.rules import PolicyInvalidError
from grace.record.ledger.note import KeyUnusableError
from grace.record.ledger.tiles import TileMissingError
from grace.record.ledger.witness import LedgerUntrustedError
from grace.record.mesh.webhooks.declarations import WebhooksFlawedError
from grace.record.store.commit import WriteFailedError
from grace.record.store.damage import RecordDamagedError
from grace.record.store.engine import StoreUnusableError
from grace.record.store.schema import SchemaMismatchError
from grace.sense.directory import ServicesFlawedError

FLAWED: Final = (ActionsFlawedError, ServicesFlawedError, ShelfFlawedError, PolicyInvalidError, WebhooksFlawedError)
"""A file that a person wrote."""
REFUSED: Final = (NameRefusedError,)
"""What was asked for."""
UNUSABLE: Final = (
    SchemaMismatchError,
    StoreUnusableError,
    EngineUnusableError,
    KeyUnusableError,
    VaultGone,
    VaultKeyUnsafe,
    WriteFailedError,
)
"""The data folder."""
UNTRUSTED: Final = (LedgerUntrustedError, TileMissingError, RecordDamagedError)
"""The ledger."""
