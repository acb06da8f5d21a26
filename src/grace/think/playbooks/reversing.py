"""How a step is taken back."""

from __future__ import annotations

from grace.model.catalogue import ActionSpec
from grace.model.plan import Reversibility
from grace.think.playbooks.format import UndoStep


def reversibility_of(spec: ActionSpec, undo: UndoStep | None) -> Reversibility:
    """Return how a step is taken back: a compensable action without its `undo` is irreversible.

    An exact one that names an `undo` does something beside what is kept of it, so it is compensable.
    """
    if spec.reversibility is Reversibility.EXACT and undo is not None:
        return Reversibility.COMPENSABLE
    if spec.reversibility is Reversibility.COMPENSABLE and undo is None:
        return Reversibility.IRREVERSIBLE
    return spec.reversibility
