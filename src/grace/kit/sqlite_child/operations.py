"""Which operations each role has. A reader is given no operation that changes a database."""

from __future__ import annotations

from collections.abc import Mapping

from grace.kit.sqlite_child.conversation import Operation
from grace.kit.sqlite_child.protocol import Role
from grace.kit.sqlite_child.reading import READ_OPERATIONS
from grace.kit.sqlite_child.undoing import UNDO_OPERATIONS
from grace.kit.sqlite_child.writing import WRITE_OPERATIONS


def operations_of(role: Role) -> Mapping[str, Operation]:
    """Return what a child in this role can do, by name."""
    match role:
        case Role.READER:
            return READ_OPERATIONS
        case Role.WRITER:
            return {**READ_OPERATIONS, **WRITE_OPERATIONS, **UNDO_OPERATIONS}
