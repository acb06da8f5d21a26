"""The words that were said on a run: what it came to, then each undo and keep of it; and which may follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grace.model.run import RunKind
from grace.model.settlement import SettlementKind
from grace.model.warrant import Refusal

_UNDOABLE: Final = frozenset({SettlementKind.COMMITTED, SettlementKind.HELD, SettlementKind.NOT_RESTORED})
_KEEPABLE: Final = frozenset({SettlementKind.HELD, SettlementKind.NOT_RESTORED})


@dataclass(frozen=True, slots=True)
class Word:
    """One run that speaks of a run; the run itself is the first."""

    id: str
    kind: RunKind
    settlement: SettlementKind | None


def last_word(words: Sequence[Word]) -> Word:
    """Return the last word that changed anything: an undo or keep that aborted said nothing."""
    first, *later = words
    return [first, *(one for one in later if one.settlement is not SettlementKind.ABORTED)][-1]


def refusal_of(kind: RunKind, words: Sequence[Word]) -> Refusal | None:
    """Say why a run may not be undone or kept now; None where it may. What was kept may still be undone."""
    under_way = next((one for one in words if one.settlement is None), None)
    if under_way is not None:
        return Refusal(rule="open", why=f"{under_way.id} is not settled yet", next=f"grace runs {under_way.id}")
    of_run, last = words[0].id, last_word(words)
    if last.id != of_run and last.settlement is not SettlementKind.NOT_RESTORED:
        if last.kind is RunKind.KEEP and kind is RunKind.UNDO:
            return None
        why = f"{last.id} has already spoken on {of_run}"
        kept = last.kind is RunKind.KEEP
        advice = f"grace undo {of_run} --reason WHY takes it back after all" if kept else f"grace explain {last.id}"
        return Refusal(rule="answered", why=why, next=advice)
    if last.settlement not in (_UNDOABLE if kind is RunKind.UNDO else _KEEPABLE):
        return Refusal(rule="settlement", why=f"{last.id} is {last.settlement}: there is nothing to {kind}")
    return None
