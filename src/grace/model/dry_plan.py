"""DryPlan: what a heal would do, asked beforehand."""

from __future__ import annotations

from grace.model.decision import Decision
from grace.model.diagnosis import Diagnosis
from grace.model.noun import Noun
from grace.model.plan import Plan


class DryPlan(Noun):
    """Diagnosis, plan and decision; nothing was touched, nothing was opened."""

    diagnosis: Diagnosis
    plan: Plan | None
    decision: Decision | None
    why_not: str = ""
