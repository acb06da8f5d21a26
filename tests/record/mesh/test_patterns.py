import pytest

from grace.model.events import EventType
from grace.record.mesh.patterns import PatternUnknownError, matching_types


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("run.settled", {"run.settled"}),
        ("run.*", {"run.opened", "run.settled", "run.cancel_requested"}),
        ("*.opened", {"run.opened", "incident.opened"}),
    ],
)
def test_a_pattern_means_types_part_by_part(pattern: str, meant: set[str]) -> None:
    assert {event_type.value for event_type in matching_types([pattern], EventType)} == meant


@pytest.mark.parametrize("pattern", ["*", "*.*"])
def test_a_star_means_everything(pattern: str) -> None:
    assert matching_types([pattern], EventType) == set(EventType)


@pytest.mark.parametrize("pattern", ["run.setled", "run", "run.settled.*", "", "*.*.*", "RUN.*"])
def test_a_pattern_that_can_never_match_is_refused_with_a_hint(pattern: str) -> None:
    with pytest.raises(PatternUnknownError, match="No event type matches") as refused:
        matching_types(["run.opened", pattern], EventType)
    assert refused.value.pattern == pattern
    assert "run.settled" in str(refused.value)
