"""Evidence: everything that was measured for one contract, and nothing that an executor said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from grace.model.reading import Reading
from grace.model.verdict import Benchmark


@dataclass(frozen=True, slots=True)
class Evidence:
    """Readings by clause id, between the moments that decide how they count."""

    started_at: datetime
    """Just before the first write."""
    ended_at: datetime
    """The end of the execution, or of the restart that began the window anew."""
    observed_until: datetime
    """Until when somebody looked: what is missing before it is missing, what lies after it was never due."""
    readings: Mapping[str, tuple[Reading, ...]]
    """In the order of time. For `before` clauses the one reading before the first write."""
    before: Mapping[str, Reading] = field(default_factory=dict[str, Reading])
    """What `after` clauses read before the first write: shown beside the outcome, never judged."""
    baselines: Mapping[str, Benchmark] = field(default_factory=dict[str, Benchmark])
    """What each benchmark clause is held against; a clause without one is inconclusive."""
    restarted: bool = False
