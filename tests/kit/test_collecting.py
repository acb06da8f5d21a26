"""Nothing is collected while a start makes what stays."""

import gc
import subprocess
import sys
from collections.abc import Generator

import pytest

from grace.kit.collecting import nothing_collected


@pytest.fixture(autouse=True)
def _as_before() -> Generator[None]:
    was_on = gc.isenabled()
    yield
    gc.unfreeze()
    if was_on:
        gc.enable()
    else:
        gc.disable()


def test_nothing_is_collected_within_and_collecting_goes_on_after_it() -> None:
    gc.enable()
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_outermost_decides_when_collecting_goes_on() -> None:
    gc.enable()
    with nothing_collected():
        with nothing_collected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_stands_at_the_end_is_never_looked_through() -> None:
    before = gc.get_freeze_count()
    with nothing_collected():
        made: list[list[int]] = [[] for _ in range(1_000)]
    assert gc.get_freeze_count() >= before + len(made)


def test_who_had_switched_it_off_finds_it_off() -> None:
    gc.disable()
    with nothing_collected():
        pass
    assert not gc.isenabled()


def test_a_failure_leaves_collecting_on() -> None:
    gc.enable()
    with pytest.raises(RuntimeError), nothing_collected():
        raise RuntimeError
    assert gc.isenabled()


_COUNTED = """
import gc, sys
import grace.wiring
from grace.cli.program import command_named

collected = []
gc.callbacks.append(lambda phase, told: collected.append(phase))
command_named("serve")
grace.wiring.serve
print(len(collected), len(sys.modules))
"""


def test_nothing_is_collected_while_the_server_is_imported() -> None:
    told = subprocess.run([sys.executable, "-c", _COUNTED], capture_output=True, text=True, check=True).stdout.split()
    collected, modules = map(int, told)
    assert modules > 500, "the whole server is imported"
    assert collected == 0
