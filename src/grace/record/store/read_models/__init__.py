"""The projections: how each entry changes the read-model tables; a file per table or two.

A projection may use nothing but the entry and the read models themselves, so that a rebuild makes the same rows again.
"""

from typing import Final

from grace.record.store.projection import Projections, joined
from grace.record.store.read_models import approvals, controls, incidents, proofs, runs

PROJECTIONS: Final[Projections] = joined(
    incidents.PROJECTIONS,
    runs.PROJECTIONS,
    approvals.PROJECTIONS,
    proofs.PROJECTIONS,
    controls.PROJECTIONS,
)
