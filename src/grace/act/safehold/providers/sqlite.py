"""SQLite databases, by what they say and never by their bytes.

What our steps wrote is recorded as changesets and taken back by their inverse in one transaction, proved over the rows
that they touched. Rows of others stay; a row that others changed stops the undo. No copy of the database is restored:
that would erase what others wrote since.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from pydantic import JsonValue

from grace.act.safehold import Vault, VaultCorrupt, VaultFull
from grace.act.safehold.providers import Surroundings
from grace.kit.canonical import canonical
from grace.kit.cuts import cut
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.paths import NotExactError
from grace.kit.sqlite_child import SqliteFault
from grace.kit.sqlite_child import changes as recording
from grace.kit.text_diff import bounded
from grace.model.reading import Unknown
from grace.model.snapshot import Restoration, RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal

NAME: Final = "sqlite"
_TIMEOUT_S: Final = 15.0
_UNDO_TIMEOUT_S: Final = 30.0
_LARGEST_DIGEST_BYTES: Final = 64 * 1024 * 1024
"""Of a larger database the digest covers the schema alone: reading every row would hold its readers' lock too long."""
_MOST_SHOWN: Final = 20
_WOULD_CHANGE: Final = "rows that would be put back: {} (now → what would be put back)"


class SqliteProvider:
    """Keeps what is needed to take our own changes of a database back."""

    name = NAME
    confirms_by_digest = False

    def __init__(self, surroundings: Surroundings) -> None:
        self._child = surroundings.sqlite
        self._forbidden = surroundings.forbidden

    def take(self, target: Target, vault: Vault) -> SnapshotObject | Refusal:
        """Note what the database is; the rows to give back are recorded by each step before it commits."""
        try:
            require_outside(Path(target.id), self._forbidden)
            facts = self._facts(target)
            digest = self._digest(target, facts)
            content = vault.put(canonical(facts))
        except NotExactError as error:
            return Refusal(rule=error.rule, why=error.why, next=error.way_out)
        except SqliteFault as fault:
            return Refusal(rule=f"sqlite.{fault.kind}", why=fault.why, next=f"Look at {target.id} with sqlite3.")
        except VaultFull as error:
            return Refusal(rule="vault.full", why=str(error), next="Free space on the disk of GRACE's data folder.")
        return SnapshotObject(target=target, provider=NAME, digest=digest, content=content, facts=facts)

    def digest(self, target: Target) -> str | Unknown:
        """Return the digest of the logical content now, read in one transaction."""
        try:
            return self._digest(target, self._facts(target))
        except SqliteFault as fault:
            return Unknown(why=fault.why)

    def restore(
        self, taken: SnapshotObject, ours: str | None, changes: tuple[str, ...], vault: Vault, *, rehearse: bool = False
    ) -> Restoration:
        """Take back the recorded changes, newest first, in one transaction; where none was recorded, none was made."""
        end = _Ending(taken, ours)
        try:
            recorded = [recording.from_bytes(vault.get(address)) for address in changes]
        except (VaultCorrupt, ValueError) as error:
            return end(RestoreState.FAILED, f"nothing was touched: {error}")
        if not recorded:
            return end(RestoreState.UNTOUCHED, now=self._now(taken.target) if rehearse else None)
        cut("safehold.sqlite.before_undo")
        try:
            found = self._undo(taken.target, recorded, rehearse=rehearse)
        except SqliteFault as fault:
            return end(RestoreState.FAILED, fault.why)
        cut("safehold.sqlite.after_undo")
        state = RestoreState(cast("str", found["state"]))
        if not rehearse:
            return end(state, _in_words(found))
        return end(state, _in_words(found, is_rehearsed=True), self._now(taken.target))

    def _now(self, target: Target) -> str | None:
        """Return the digest now for a rehearsal to show; None where it cannot be read."""
        digest = self.digest(target)
        return None if isinstance(digest, Unknown) else digest

    def _undo(self, target: Target, recorded: list[JsonValue], *, rehearse: bool) -> dict[str, JsonValue]:
        arguments: dict[str, JsonValue] = {
            "path": target.id,
            "changes": list(reversed(recorded)),
            "rehearse": rehearse,
        }
        return cast("dict[str, JsonValue]", self._child.call("undo", arguments, timeout_s=_UNDO_TIMEOUT_S))

    def _facts(self, target: Target) -> dict[str, JsonValue]:
        answer = self._child.call("facts", {"path": target.id}, timeout_s=_TIMEOUT_S)
        return cast("dict[str, JsonValue]", answer)

    def _digest(self, target: Target, facts: dict[str, JsonValue]) -> str:
        size = cast("int", facts["page_count"]) * cast("int", facts["page_size"])
        if size > _LARGEST_DIGEST_BYTES:
            return cast("str", facts["schema_digest"])
        return cast("str", self._child.call("digest", {"path": target.id}, timeout_s=_TIMEOUT_S))


class _Ending:
    """Says how a restore ended."""

    def __init__(self, taken: SnapshotObject, ours: str | None) -> None:
        self._taken = taken
        self._ours = ours

    def __call__(self, state: RestoreState, why: str = "", now: str | None = None) -> Restoration:
        return Restoration(
            target=self._taken.target,
            provider=NAME,
            state=state,
            before=self._taken.digest,
            ours=self._ours,
            now=now,
            difference=why,
        )


def _in_words(found: dict[str, JsonValue], *, is_rehearsed: bool = False) -> str:
    rows = cast("list[dict[str, JsonValue]]", found["rows"])
    if is_rehearsed and rows and found["state"] == RestoreState.EQUAL:
        lines = recording.in_words(rows[:_MOST_SHOWN], ("now", "before"))
        more = [f"… {len(rows) - _MOST_SHOWN} more rows"] if len(rows) > _MOST_SHOWN else []
        return bounded("\n".join([_WOULD_CHANGE.format(len(rows)), *lines, *more]))
    lines = recording.in_words(rows, ("before", "after", "now"))
    why = f"{found['why']} (before → as the run left it → now)" if rows else str(found["why"])
    return bounded("\n".join([why, *lines]).strip())


def build(surroundings: Surroundings) -> SqliteProvider:
    """Make the provider; the entry point."""
    return SqliteProvider(surroundings)
