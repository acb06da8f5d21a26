"""The fingerprint on recorded events of another tracker (Python, Java, C#, Go, Rust, JavaScript, PHP, native code).

Of 94 events with an exception 90 have frames; they have 91 distinct fingerprints (three pairs are one fault, recorded
twice). Each is held to the same two
promises: what differs between two sightings of one fault changes nothing, and another crash site changes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.model.signal import Frame, Raised, Signal
from grace.think.incidents.fingerprint import fingerprint
from tests.think.incidents.recorded import recorded_exceptions
from tests.think.incidents.signals import START

EVENTS = 94
WITH_FRAMES = 90
DISTINCT = 91

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?")
_NUMBER = re.compile(r"(?<![\w.:/-])\d+(?![\w.:/-])")
_ROOT = re.compile(r"^(?:[A-Za-z]:\\|/|~/|\.{1,2}/|app:///|file:///)")
_VENV = re.compile(r"^.*?(?=(?:site|dist)-packages/)")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is different the next time that the same fault is seen."""

    shift: int
    root: str
    address: int
    number: int
    uuid: str
    moment: str
    labels: dict[str, str]

    def said(self, text: str) -> str:
        """Return a message with other ids, addresses, times and numbers in it."""
        text = _UUID.sub(self.uuid, text)
        text = _TIME.sub(self.moment, text)
        text = _ADDRESS.sub(hex(self.address), text)
        return _NUMBER.sub(str(self.number), text)

    def frame(self, frame: Frame) -> Frame:
        """Return a frame of the same place: other lines, another folder, another address."""
        return frame.model_copy(
            update={
                "line": (frame.line or 0) + self.shift,
                "file": self.file(frame.file),
                "function": _ADDRESS.sub(hex(self.address), frame.function),
            }
        )

    def file(self, file: str) -> str:
        """Return where the file lies after another installation: below another root, in another environment."""
        if _VENV.match(file):
            return _VENV.sub(f"{self.root}/.venv/lib/python3.{self.number % 20}/", file)
        return f"{self.root}/{_ROOT.sub('', file)}" if _ROOT.match(file) and _is_nested(file) else file

    def raised(self, raised: Raised) -> Raised:
        frames = tuple(self.frame(each) for each in raised.frames)
        return raised.model_copy(update={"message": self.said(raised.message), "frames": frames})

    def of(self, signal: Signal) -> Signal:
        """Return the same fault, sighted again."""
        assert signal.exception is not None
        changes = {
            "id": self.uuid,
            "at": START,
            "message": f"seen by {self.uuid}",
            "labels": self.labels,
            "exception": self.raised(signal.exception),
            "chain": tuple(self.raised(each) for each in signal.chain),
        }
        return signal.model_copy(update=changes)


def _is_nested(file: str) -> bool:
    """Tell whether a folder stands above the two parts of a path that name a place."""
    return len([part for part in re.split(r"[\\/]+", _ROOT.sub("", file)) if part]) > 1


_SEGMENT = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=12).filter(
    lambda one: one.strip(".")
)
_SIGHTINGS = st.builds(
    Sighting,
    shift=st.integers(0, 100_000),
    root=st.lists(_SEGMENT, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    address=st.integers(0x1000, 2**64 - 1),
    number=st.integers(0, 10**12),
    uuid=st.uuids().map(str),
    moment=st.datetimes().map("20{:%y-%m-%dT%H:%M:%SZ}".format),
    labels=st.dictionaries(st.sampled_from(["host", "release", "user", "trace"]), st.text(max_size=20)),
)


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> dict[str, Signal]:
    return recorded_exceptions(shared_data / "sentry_events")


def test_so_many_events_are_held_to_it(recorded: dict[str, Signal]) -> None:
    with_frames = [signal for signal in recorded.values() if signal.exception and signal.exception.frames]
    assert (len(recorded), len(with_frames)) == (EVENTS, WITH_FRAMES)
    assert len({fingerprint(signal) for signal in recorded.values()}) == DISTINCT


@given(sighting=_SIGHTINGS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_event_survives_neutral_changes(recorded: dict[str, Signal], sighting: Sighting) -> None:
    told_apart = [name for name, one in recorded.items() if fingerprint(one) != fingerprint(sighting.of(one))]
    assert told_apart == []


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"function": "somewhere_else_entirely"},
        {"module": "another.module", "file": "another/module.py"},
    ],
    ids=["function", "module"],
)
def test_every_event_notices_another_place_of_its_crash(recorded: dict[str, Signal], elsewhere: dict[str, str]) -> None:
    taken_for_one: list[str] = []
    for name, signal in recorded.items():
        assert signal.exception is not None
        if not signal.exception.frames:
            continue
        frames = list(signal.exception.frames)
        own = [index for index, each in enumerate(frames) if each.in_app]
        at = own[-1] if own else len(frames) - 1
        frames[at] = frames[at].model_copy(update=elsewhere)
        moved = signal.exception.model_copy(update={"frames": tuple(frames)})
        if fingerprint(signal) == fingerprint(signal.model_copy(update={"exception": moved})):
            taken_for_one.append(name)
    assert taken_for_one == []


def test_every_event_notices_another_type_of_exception(recorded: dict[str, Signal]) -> None:
    for name, signal in recorded.items():
        assert signal.exception is not None
        other = signal.exception.model_copy(update={"type": "SomethingElseError"})
        assert fingerprint(signal) != fingerprint(signal.model_copy(update={"exception": other})), name
