import pytest

from grace.model.events import EventType
from grace.record.mesh.patterns import PatternUnknownError, matching_types


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("run.settled", {"run.settled"}, {"run.opened"}),
        ("incident.*", {"incident.opened", "incident.updated", "incident.closed"}, {"run.opened", "error.detected"}),
        ("*.opened", {"run.opened", "incident.opened"}, {"run.settled"}),
        ("dead_letters.*", {"dead_letters.requeued", "dead_letters.discarded"}, {"subscriber.enabled"}),
    ],
)
def test_a_pattern_means_types_part_by_part(pattern: str, meant: set[str], not_meant: set[str]) -> None:
    found = {event_type.value for event_type in matching_types([pattern], EventType)}
    assert meant <= found
    assert not not_meant & found
    head, tail = pattern.split(".")
    assert {
        kind for kind in found if head not in {"*", kind.split(".")[0]} or tail not in {"*", kind.split(".")[1]}
    } == set()


@pytest.mark.parametrize("pattern", ["*", "*.*"])
def test_a_star_means_everything(pattern: str) -> None:
    assert matching_types([pattern], EventType) == set(EventType)


@pytest.mark.parametrize(
    "pattern",
    ["run.setled", "run", "run.settled.*", "", "*.*.*", "RUN.*", "run.set*", "ru*.settled", "**", "run.", "run.?"],
)
def test_a_pattern_that_can_never_match_is_refused_with_a_hint(pattern: str) -> None:
    with pytest.raises(PatternUnknownError, match="No event type matches") as refused:
        matching_types(["run.opened", pattern], EventType)
    assert refused.value.pattern == pattern
    assert "run.settled" in str(refused.value)
