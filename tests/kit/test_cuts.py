import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from grace.kit.cuts import arm, cut, cut_each, disarm, observe


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


def test_a_cut_does_nothing_by_default_nor_when_it_is_disarmed() -> None:
    done: list[str] = []
    cut("here")
    arm("here", 1, lambda: done.append("cut"))
    disarm()
    cut("here")
    assert done == []


def test_the_nth_pass_does_the_deed_and_only_that_one() -> None:
    done: list[str] = []
    arm("here", 2, lambda: done.append("cut"))
    cut("elsewhere")
    cut("here")
    assert done == []
    cut("here")
    cut("here")
    assert done == ["cut"]


def test_passes_before_arming_do_not_count() -> None:
    done: list[str] = []
    arm("other", 1, lambda: None)
    cut("here")
    arm("here", 1, lambda: done.append("cut"))
    cut("here")
    assert done == ["cut"]


def test_an_observer_sees_every_name_in_order() -> None:
    with observe() as seen:
        for name in ("a", "b", "a"):
            cut(name)
    cut("after")
    assert seen() == ("a", "b", "a")


def test_one_place_may_have_several_names_which_are_not_made_for_nobody() -> None:
    made: list[str] = []

    def names() -> Iterator[str]:
        for name in ("a", "b"):
            made.append(name)
            yield name

    cut_each(names())
    assert made == []
    with observe() as seen:
        cut_each(names())
    assert seen() == ("a", "b")


def test_a_deed_may_raise_where_it_was_armed() -> None:
    def fail() -> None:
        message = "cut"
        raise OSError(message)

    arm("here", 1, fail)
    with pytest.raises(OSError, match="cut"):
        cut("here")


def test_a_pass_is_counted_from_one() -> None:
    with pytest.raises(ValueError, match="first"):
        arm("here", 0)


def test_by_default_the_process_dies_as_in_a_power_cut() -> None:
    code = "from grace.kit.cuts import arm, cut\narm('x')\ntry:\n    cut('x')\nfinally:\n    print('never')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == b""
