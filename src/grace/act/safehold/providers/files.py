"""Files, symlinks and folders, exactly: content, mode, owner, time, links, extended attributes, entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grace.act.safehold import Vault, VaultCorrupt, VaultFull
from grace.act.safehold.contents import Contents, KeptTree, Packing, facts_of
from grace.act.safehold.difference import describe
from grace.act.safehold.giving_back import ForeignMeanwhileError, GivingBack, sweep
from grace.act.safehold.providers import Surroundings
from grace.act.safehold.taking_back import aside_of, take_back
from grace.act.safehold.three_way import ThreeWay, compare, folder_times
from grace.kit.cuts import cut
from grace.kit.filesystem.changes import applied, difference, recorded
from grace.kit.filesystem.entries import Kind, Tree, tree_digest
from grace.kit.filesystem.fitness import require_outside
from grace.kit.filesystem.fixed import require_changeable
from grace.kit.filesystem.paths import NotExactError
from grace.kit.filesystem.scan import ChangedMeanwhileError, scan, settled_scan
from grace.kit.filesystem.survey import Scope
from grace.kit.text_diff import LARGEST_TEXT_BYTES, text_diff
from grace.model.reading import Unknown
from grace.model.snapshot import Restoration, RestoreState, SnapshotObject
from grace.model.target import Target
from grace.model.warrant import Refusal

NAME: Final = "files"
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Undo:
    """What one restore knows: what was kept, what we made of it, what is there."""

    taken: SnapshotObject
    kept: KeptTree
    ours: Tree | None
    now: Tree
    vault: Vault
    is_taken_back: bool = False
    """What a removal had moved aside was put back just now."""

    @property
    def root(self) -> Path:
        return Path(self.taken.target.id)

    def ends(self, state: RestoreState, now: Tree, why: str = "") -> Restoration:
        return Restoration(
            target=self.taken.target,
            provider=NAME,
            state=state,
            before=self.taken.digest,
            ours=None if self.ours is None else tree_digest(self.ours),
            now=tree_digest(now),
            difference=why,
        )


class FilesProvider:
    """Keeps and gives back what stands at one real path, which may be nothing yet."""

    name = NAME
    confirms_by_digest = True

    def __init__(self, surroundings: Surroundings, scope: Scope | None = None) -> None:
        self._scope = scope or Scope(forbidden=surroundings.forbidden)
        self._redact = surroundings.redact

    def take(self, target: Target, vault: Vault) -> SnapshotObject | Refusal:
        """Keep the exact state; refuse what cannot be given back, and leave nothing in the vault then."""
        try:
            entries, content = self._keep(Path(target.id), vault)
        except NotExactError as error:
            return Refusal(rule=error.rule, why=error.why, next=error.way_out)
        except VaultFull as error:
            return Refusal(rule="vault.full", why=str(error), next="Free space on the disk of GRACE's data folder.")
        return SnapshotObject(
            target=target, provider=NAME, digest=tree_digest(entries), content=content, facts=facts_of(entries)
        )

    def digest(self, target: Target) -> str | Unknown:
        """Return the digest of the state now."""
        try:
            return tree_digest(settled_scan(Path(target.id), self._scope))
        except NotExactError as error:
            return Unknown(why=error.why)

    def restore(
        self, taken: SnapshotObject, ours: str | None, changes: tuple[str, ...], vault: Vault, *, rehearse: bool = False
    ) -> Restoration:
        """Give back the kept state, object by object; what others changed stays or stops the undo."""
        try:
            undo = self._prepare(taken, ours, changes, vault, rehearse=rehearse)
        except (VaultCorrupt, NotExactError, ValueError, OSError) as error:
            return _failed(taken, ours, _not_begun(Path(taken.target.id), error))
        if tree_digest(undo.now) == taken.digest:
            return undo.ends(RestoreState.EQUAL if undo.is_taken_back else RestoreState.UNTOUCHED, undo.now)
        if undo.ours is None:
            return undo.ends(RestoreState.FOREIGN, undo.now, self._foreign(undo, None))
        return self._settle(undo, undo.ours, rehearse=rehearse)

    def _settle(self, undo: _Undo, ours: Tree, *, rehearse: bool) -> Restoration:
        check = compare(undo.kept.entries, ours, undo.now)
        if check.conflicts:
            return undo.ends(RestoreState.FOREIGN, undo.now, self._foreign(undo, check))
        times = folder_times(undo.kept.entries, ours, undo.now, frozenset(check.give_back))
        if not check.give_back and not _late(undo.now, times):
            return undo.ends(RestoreState.UNTOUCHED, undo.now, _beside(check))
        if rehearse:
            return undo.ends(RestoreState.EQUAL, undo.now, _beside(check))
        return self._give_back(undo, ours, check, times)

    def change_since(self, taken: SnapshotObject, vault: Vault) -> str | Unknown:
        """Keep what differs now from what was kept as a record of our own change; return what to hand to `restore`.

        For actions that write into a folder and cannot tell beforehand what they will make of it.
        """
        kept = KeptTree.fetch(taken.content, taken.digest, vault)
        try:
            now = settled_scan(Path(taken.target.id), self._scope)
        except NotExactError as error:
            return Unknown(why=error.why)
        return vault.put(recorded(difference(kept.entries, now)).encode())

    def _keep(self, root: Path, vault: Vault) -> tuple[Tree, str]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._keep_once(root, vault)
            except ChangedMeanwhileError:
                continue
        return self._keep_once(root, vault)

    def _keep_once(self, root: Path, vault: Vault) -> tuple[Tree, str]:
        with vault.stage() as stage:
            packing = Packing(stage)
            entries = scan(root, self._scope, packing.take)
            require_changeable(root)
            cut("safehold.files.read")
            return entries, packing.finish(entries)

    def _prepare(
        self, taken: SnapshotObject, ours: str | None, changes: tuple[str, ...], vault: Vault, *, rehearse: bool
    ) -> _Undo:
        kept = KeptTree.fetch(taken.content, taken.digest, vault)
        root = Path(taken.target.id)
        require_outside(root, self._scope.forbidden)
        is_back = False
        if not rehearse:
            is_back = take_back(root, kept.entries, self._scope)
            sweep(root, kept.entries)
        now = settled_scan(root, self._scope)
        if changes:
            texts = (vault.get(text).decode() if text.startswith("vault:") else text for text in changes)
            return _Undo(taken, kept, applied(kept.entries, texts), now, vault, is_back)
        return _Undo(taken, kept, now if tree_digest(now) == ours else None, now, vault, is_back)

    def _give_back(self, undo: _Undo, ours: Tree, check: ThreeWay, times: Mapping[str, int]) -> Restoration:
        contents = Contents(undo.kept, undo.vault)
        why, is_foreign = "", False
        try:
            GivingBack(undo.root, undo.kept, contents, undo.now).perform(check.give_back, times)
        except ForeignMeanwhileError as error:
            why, is_foreign = str(error), True
        except (NotExactError, VaultCorrupt, OSError) as error:
            why = f"the undo stopped: {error}"
        try:
            now = settled_scan(undo.root, self._scope)
        except NotExactError as error:
            return _failed(undo.taken, None, f"{why} {error}".strip())
        if why:
            return undo.ends(RestoreState.FOREIGN if is_foreign else RestoreState.FAILED, now, why)
        return _proven(undo, ours, now, times)

    def _foreign(self, undo: _Undo, check: ThreeWay | None) -> str:
        """Show what others changed; of a small text also how it reads now against what was kept."""
        compared = undo.kept.entries if undo.ours is None else undo.ours
        paths = sorted(difference(compared, undo.now)) if check is None else check.conflicts
        said = describe(paths, compared, undo.now)
        was, now = undo.kept.entries.get(""), undo.now.get("")
        if was is None or now is None or not was.kind is now.kind is Kind.FILE:
            return said
        if max(was.size, now.size) > LARGEST_TEXT_BYTES:
            return said
        read = bytearray()
        try:
            scan(undo.root, self._scope, read.extend)
        except NotExactError:
            return said
        kept = b"".join(Contents(undo.kept, undo.vault).of(""))
        shown = text_diff(kept, bytes(read), ("before", "now"), self._redact)
        return f"{said}\n{shown}" if shown else said


def _proven(undo: _Undo, ours: Tree, now: Tree, times: Mapping[str, int]) -> Restoration:
    """Say `equal` only for what reads equal now, object by object; what is not ours to give back is named."""
    left = compare(undo.kept.entries, ours, now)
    wrong = (*left.give_back, *left.conflicts, *_late(now, times))
    if wrong:
        return undo.ends(RestoreState.FAILED, now, describe(wrong, undo.kept.entries, now))
    return undo.ends(RestoreState.EQUAL, now, _beside(left))


def _late(now: Tree, times: Mapping[str, int]) -> list[str]:
    """Return the folders whose time is not the one they are to have."""
    return [path for path, time in times.items() if path not in now or now[path].mtime_ns != time]


def _beside(check: ThreeWay) -> str:
    named = ", ".join(path or "the target itself" for path in check.beside[:20])
    return f"left as others made it: {named}" if check.beside else ""


def _not_begun(root: Path, error: Exception) -> str:
    """Say that nothing was given back, and where what is missing from its place lies."""
    aside = aside_of(root)
    if aside is None:
        return f"nothing was touched: {error}"
    return f"nothing was given back: {error}; what was moved away from {root} and could not be deleted lies at {aside}"


def _failed(taken: SnapshotObject, ours: str | None, why: str) -> Restoration:
    return Restoration(
        target=taken.target,
        provider=NAME,
        state=RestoreState.FAILED,
        before=taken.digest,
        ours=ours,
        now=None,
        difference=why,
    )


def build(surroundings: Surroundings) -> FilesProvider:
    """Make the provider; the entry point."""
    return FilesProvider(surroundings)
