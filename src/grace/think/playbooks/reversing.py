"""How a step is taken back."""

from __future__ import annotations

from grace.model.catalogue import ActionSpec
from grace.model.plan import Reversibility
from grace.think.playbooks.format import UndoStep


def reversibility_of(spec: ActionSpec, undo: UndoStep | None) -> Reversibility:
    """Return how a step is taken back: a compensable action without its `undo` is irreversible."""
    if spec.reversibility is Reversibility.COMPENSABLE and undo is None:
        return Reversibility.IRREVERSIBLE
    return spec.reversibility
