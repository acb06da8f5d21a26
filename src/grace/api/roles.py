"""Roles and identities: who may call what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What a token is for. A sender may only hand in signals; each of the others may do what those before it may."""

    SENDER = "sender"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Tell whether a token of this role opens a route that needs `needed`."""
        return needed in _HOLDS[self]


_VIEWS: Final = frozenset({Role.VIEWER})
_OPERATES: Final = _VIEWS | {Role.OPERATOR, Role.SENDER}
_APPROVES: Final = _OPERATES | {Role.APPROVER}
_HOLDS: Final[Mapping[Role, frozenset[Role]]] = MappingProxyType(
    {
        Role.SENDER: frozenset({Role.SENDER}),
        Role.VIEWER: _VIEWS,
        Role.OPERATOR: _OPERATES,
        Role.APPROVER: _APPROVES,
        Role.ADMIN: _APPROVES | {Role.ADMIN},
    }
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: the name that entries, answers and requests are signed with."""

    name: str
    role: Role
    token_id: str
