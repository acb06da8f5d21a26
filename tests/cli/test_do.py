"""`grace do`: one command by hand on a real service, from its plan to its settlement and the playbook that is kept."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from tests.cli.conftest import Grace, Said
from tests.cli.hand_world import HandWorld, open_hand_world

QUICK = ("--within", "2s", "--for", "300ms")
WELL = ("--expect", "metric service.error_rate at_most 0")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Generator[HandWorld]:
    with open_hand_world(tmp_path_factory.mktemp("hand")) as world:
        yield world


@pytest.fixture
def world(opened: HandWorld) -> HandWorld:
    opened.config.write_text("pool=1\n")
    opened.config.chmod(0o640)
    return opened


def do(grace: Grace, world: HandWorld, *arguments: str, service: str = "shop", who: str = "ann") -> Said:
    return grace("do", "--service", service, *world.as_(who), *QUICK, *arguments)


def writing(world: HandWorld) -> tuple[str, str]:
    return ("--writes", str(world.config))


def sed(world: HandWorld, pool: str) -> tuple[str, ...]:
    return ("--", "sed", "-i", f"s/pool=.*/pool={pool}/", str(world.config))


def state(path: Path) -> tuple[str, int, int, int]:
    found = path.stat()
    return path.read_text(), found.st_mode, found.st_uid, found.st_mtime_ns


def test_a_command_that_mends_is_committed_and_offered_as_a_playbook(grace: Grace, world: HandWorld) -> None:
    said = do(grace, world, *writing(world), *WELL, "--reason", "pool too small", *sed(world, "9"))
    assert said.code == Exit.DONE, said.out + said.err
    assert world.config.read_text() == "pool=9\n"
    for told in ("exact: every write can be taken back exactly", "committed", "grace do --save NAME run_"):
        assert told in said.out
