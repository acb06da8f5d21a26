"""What is said of a row that this GRACE cannot have written: it cannot be read back."""

from __future__ import annotations

from typing import Final

PUT_BACK: Final = "Stop GRACE and put back the newest copy of the database; `grace ledger verify` tells what differs."
REBUILD: Final = "Stop GRACE and run `grace store rebuild`, which makes the read models again from the ledger."


class RecordDamagedError(RuntimeError):
    """A row of the record cannot be read: the database was damaged or changed by hand."""

    def __init__(self, what: str, what_next: str) -> None:
        self.what = what
        self.what_next = what_next
        super().__init__(f"The record is damaged: {what}. {what_next}")
