"""Read the keys out of a changeset. The library decodes every text of it, and stumbles over one that is no UTF-8.

The format is SQLite's own (https://www.sqlite.org/session/changeset.html and `sqlite3session.c`): a header for each
table, then a record for each row: what it was, and what it became. Texts are UTF-8 whatever the database's encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grace.kit.sqlite_child.protocol import FaultKind, SqliteFault, SqliteValue

_TABLE: Final = ord("T")
_INSERT: Final = 18
_UPDATE: Final = 23
_DELETE: Final = 9
_UNDEFINED: Final = 0
_INTEGER: Final = 1
_REAL: Final = 2
_TEXT: Final = 3
_BLOB: Final = 4
_NULL: Final = 5
_MORE: Final = 0x80
_LONGEST_VARINT: Final = 9


@dataclass(frozen=True, slots=True)
class KeyedChange:
    """A changed row: its table, and the values of the key columns by their number in the table."""

    table: str
    key: dict[int, SqliteValue]


@dataclass(slots=True)
class _Reader:
    """Steps through the bytes."""

    data: bytes
    at: int = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]

    def varint(self) -> int:
        value = 0
        for _ in range(_LONGEST_VARINT - 1):
            byte = self.byte()
            value = (value << 7) | (byte & ~_MORE)
            if not byte & _MORE:
                return value
        return (value << 8) | self.byte()

    def name(self) -> str:
        end = self.data.index(0, self.at)
        found = self.take(end - self.at)
        self.at += 1
        return found.decode()

    def value(self) -> tuple[int, bytes]:
        """Return the type and the bytes of a value."""
        kind = self.byte()
        match kind:
            case _ if kind in {_INTEGER, _REAL}:
                return kind, self.take(8)
            case _ if kind in {_TEXT, _BLOB}:
                return kind, self.take(self.varint())
            case _ if kind in {_NULL, _UNDEFINED}:
                return kind, b""
            case _:
                raise SqliteFault(FaultKind.OTHER, f"A changeset holds a value of the unknown type {kind}.")


def keyed_changes(changeset: bytes) -> Iterator[KeyedChange]:
    """Yield the row of every record; raise a fault for a text in a key that is no UTF-8."""
    reader = _Reader(changeset)
    table, is_key = "", b""
    while reader.at < len(changeset):
        kind = reader.byte()
        if kind == _TABLE:
            is_key = reader.take(reader.varint())
            table = reader.name()
            continue
        if kind not in {_INSERT, _UPDATE, _DELETE}:
            raise SqliteFault(FaultKind.OTHER, f"A changeset holds a record of the unknown kind {kind}.")
        reader.byte()  # Whether a trigger made it; that makes no difference here.
        record = [reader.value() for _ in is_key]
        if kind == _UPDATE:
            for _ in is_key:
                reader.value()
        yield KeyedChange(table, {number: _read(table, *record[number]) for number, part in enumerate(is_key) if part})


def _read(table: str, kind: int, raw: bytes) -> SqliteValue:
    match kind:
        case _ if kind == _INTEGER:
            return int.from_bytes(raw, "big", signed=True)
        case _ if kind == _REAL:
            (number,) = struct.unpack(">d", raw)
            return float(number)
        case _ if kind == _BLOB:
            return raw
        case _ if kind == _TEXT:
            return _text(table, raw)
        case _:
            return None


def _text(table: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        why = f"Table {table!r} has a key with text that is not UTF-8: its row could not be named."
        raise SqliteFault(FaultKind.NOT_REVERSIBLE, why) from error
