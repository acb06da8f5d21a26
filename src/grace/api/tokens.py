"""Access tokens: opaque, random, kept as hashes only; issuing and revoking are entries, the secrets are nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from grace.api.roles import Identity, Role
from grace.kit.clock import Clock
from grace.kit.credentials import hash_of_secret, new_secret
from grace.kit.ids import IdMint
from grace.kit.person_names import flaw_of, folded
from grace.model.events import EventType, TokenChanged
from grace.model.ledger_entry import Draft
from grace.model.warrant import Refusal
from grace.record import Journal, Reader, Transaction
from grace.record.store.tables import tokens

SECRET_PREFIX: Final = "grace"  # noqa: S105 - what a secret begins with
SESSION_PREFIX: Final = "ses"
TOKEN_PREFIX: Final = "tok"  # noqa: S105 - what an id begins with
TRUST_S: Final = 1.0
"""How long an identity is believed without looking again: a revoked token may work that much longer."""
_MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as it may be shown."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh token: the only moment at which its secret is known."""

    token: TokenRow
    secret: str = field(repr=False)


class NameRefusedError(ValueError):
    """A token of this name is not made."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(f"{refusal.why}. {refusal.next}")


@dataclass(frozen=True, slots=True)
class TokenStore:
    """Issues, recognises and revokes tokens."""

    journal: Journal
    reader: Reader
    clock: Clock
    mint: IdMint
    _remembered: dict[str, tuple[Identity, float]] = field(default_factory=dict[str, tuple[Identity, float]])

    def issue(self, name: str, role: Role, by: str, lifetime: timedelta | None = None) -> Issued:
        """Make a token for a person or a program; `name` is the identity that its words are recorded under.

        Raise NameRefusedError for a name that people could not tell from another one.
        """
        flaw = flaw_of(name)
        if flaw:
            why = f"the name {name!r} {flaw}"
            raise NameRefusedError(Refusal(rule="token-name", why=why, next="Give a name that people read as it is"))
        return self._issue(TOKEN_PREFIX, name, role, by, lifetime)

    def open_session(self, identity: Identity, lifetime: timedelta) -> Issued:
        """Make a short-lived token of the same identity; it is revoked together with the tokens of that name."""
        return self._issue(SESSION_PREFIX, identity.name, identity.role, identity.name, lifetime)

    def remembered(self, secret: str) -> Identity | None:
        """Return who showed this secret a moment ago, without looking anything up."""
        found = self._remembered.get(hash_of_secret(secret))
        return None if found is None or self.clock.monotonic() > found[1] else found[0]

    def identify(self, secret: str) -> Identity | None:
        """Return whose secret this is; None for an unknown, expired or revoked one."""
        key = hash_of_secret(secret)
        with self.reader.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.secret_hash == key, self._usable())).first()
        if row is None:
            self._remembered.pop(key, None)
            return None
        identity = Identity(row.name, Role(row.role), row.id)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = (identity, self.clock.monotonic() + TRUST_S)
        return identity

    def revoke(self, token_id: str, by: str) -> TokenRow | Refusal:
        """End a token and every session of its name."""

        def unit(tx: Transaction) -> TokenRow | Refusal:
            found = _named(tx, token_id)
            if not found:
                return Refusal(rule="no-token", why=f"there is no token {token_id}", next="grace token list")
            if found[0].revoked_at is not None:
                return Refusal(rule="token-revoked", why=f"{token_id} is revoked already", next="grace token list")
            mine = (tokens.c.id == token_id) | (
                (tokens.c.name == found[0].name) & tokens.c.id.startswith(f"{SESSION_PREFIX}_")
            )
            ending = update(tokens).where(mine, tokens.c.revoked_at.is_(None)).values(revoked_at=self.clock.now())
            tx.connection.execute(ending)
            tx.append(_draft(found[0], "revoked", EventType.TOKEN_REVOKED, by))
            return _named(tx, token_id)[0]

        revoked = self.journal.run(unit)
        self._remembered.clear()
        return revoked

    def listed(self) -> tuple[TokenRow, ...]:
        """Return every token, newest first, without secrets."""
        with self.reader.read() as connection:
            return _read(
                connection.execute(select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id.desc())).all()
            )

    def usable(self, role: Role | None = None) -> int:
        """Return how many tokens would open a door now, or those of exactly one role."""
        wanted = self._usable() if role is None else self._usable() & (tokens.c.role == role.value)
        with self.reader.read() as connection:
            return connection.execute(select(func.count()).select_from(tokens).where(wanted)).scalar_one()

    def _usable(self) -> ColumnElement[bool]:
        alive = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > self.clock.now())
        return alive & tokens.c.revoked_at.is_(None)

    def _issue(self, prefix: str, name: str, role: Role, by: str, lifetime: timedelta | None) -> Issued:
        secret, now = new_secret(SECRET_PREFIX), self.clock.now()
        token = TokenRow(self.mint.mint(prefix), name, role, now, None if lifetime is None else now + lifetime, None)

        def unit(tx: Transaction) -> None:
            _require_no_look_alike(tx, name)
            values = {
                "id": token.id,
                "name": name,
                "role": role.value,
                "created_at": now,
                "expires_at": token.expires_at,
            }
            tx.connection.execute(insert(tokens).values(**values, secret_hash=hash_of_secret(secret)))
            tx.append(_draft(token, "issued", EventType.TOKEN_ISSUED, by))

        self.journal.run(unit)
        return Issued(token, secret)


def _require_no_look_alike(tx: Transaction, name: str) -> None:
    """Refuse a name that reads like another identity's, also one whose tokens have ended: its words stand."""
    known = tx.connection.execute(select(tokens.c.name).distinct()).scalars().all()
    like = next((one for one in known if one != name and folded(one) == folded(name)), None)
    if like is not None and name not in known:
        why = f"the name {name!r} reads like {like!r}, which is somebody already"
        raise NameRefusedError(Refusal(rule="token-look-alike", why=why, next=f"Say {like!r}, or give another name"))


def _named(tx: Transaction, token_id: str) -> tuple[TokenRow, ...]:
    return _read(tx.connection.execute(select(tokens).where(tokens.c.id == token_id)).all())


def _read(rows: Sequence[Row[Any]]) -> tuple[TokenRow, ...]:
    return tuple(
        TokenRow(row.id, row.name, Role(row.role), row.created_at, row.expires_at, row.revoked_at) for row in rows
    )


def _draft(token: TokenRow, stage: str, type_: EventType, by: str) -> Draft:
    changed = TokenChanged(token_id=token.id, name=token.name, role=token.role.value, by=by)
    return Draft(key=f"{token.id}/{stage}", type=type_, actor=by, payload=changed.to_json())
