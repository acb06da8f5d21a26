"""Write the whole log as JSON Lines that anybody can check: a header, an entry a line, a signed checkpoint."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from grace.kit.canonical import JsonObject, canonical
from grace.record.ledger.entries import ENTRY_COLUMNS, StoredRow, entry_from_row, header_of
from grace.record.ledger.note import Checkpoint, Signer
from grace.record.ledger.reading import LedgerReader, head_of
from grace.record.ledger.tree import leaf_hash
from grace.record.store.engine import driver_connection

FORMAT: Final = "grace-ledger-export/1"
_ROWS: Final = f"""
    SELECT {ENTRY_COLUMNS}, payload, salt FROM ledger_entries LEFT JOIN ledger_payloads USING ("index") ORDER BY "index"
"""  # noqa: S608 - a constant list of columns


def export_lines(reader: LedgerReader, signer: Signer) -> Iterator[bytes]:
    """Yield the lines of an export, one state of the log from first to last; memory does not grow with the log.

    The checkpoint is signed over the stored tree, not over the rows: if they disagree, the verifier says so.
    """
    with reader.read() as connection:
        driver = driver_connection(connection)
        head = head_of(driver)
        yield _line({"format": FORMAT, "key": str(signer.key), "origin": signer.key.name, "size": head.size})
        for *columns, salt in driver.execute(_ROWS):
            yield _entry_line(tuple(columns), salt)
        yield _line({"checkpoint": signer.sign(Checkpoint(signer.key.name, head).text)})


def write_export(path: Path, reader: LedgerReader, signer: Signer) -> int:
    """Write an export to a new file and return its number of lines; an existing file is never overwritten."""
    lines = 0
    with path.open("xb") as file:
        for line in export_lines(reader, signer):
            file.write(line)
            lines += 1
        file.flush()
        os.fsync(file.fileno())
    return lines


def _entry_line(columns: StoredRow, salt: bytes | None) -> bytes:
    entry = entry_from_row(columns)
    header = header_of(entry)
    line: dict[str, JsonValue] = {"entry": header, "leaf_hash": _base64(leaf_hash(canonical(header)))}
    if entry.payload is None or salt is None:
        return _line(line | {"erased": True})
    return _line(line | {"payload": entry.payload, "salt": _base64(salt)})


def _line(value: JsonObject) -> bytes:
    return canonical(value) + b"\n"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
