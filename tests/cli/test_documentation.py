from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from tests.cli.commands import OF_EVERY_COMMAND, leaves

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
COMMON, *_ = PAGE.split("\n## Begin")
SECTIONS = dict(re.findall(r"^### `(grace [a-z ]+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"^\$ (grace .+)$", PAGE, re.MULTILINE)


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert {path for path, _ in leaves()} == set(SECTIONS)


def test_every_option_is_documented_and_no_other() -> None:
    common = set(re.findall(r"`(--[a-z-]+)", COMMON)) | OF_EVERY_COMMAND
    for path, leaf in leaves():
        told = set(re.findall(r"`(--[a-z-]+)", SECTIONS[path]))
        there = {option for parameter in leaf.params for option in parameter.options}
        assert there - common == told - common, path


def test_every_exit_code_is_documented() -> None:
    assert re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE) == [str(code.value) for code in Exit]


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_command_line_that_is_understood(line: str) -> None:
    commands = dict(leaves())
    path = max((path for path in commands if f"{line} ".startswith(f"{path} ")), key=len)
    context = commands[path].typer.make_context(path, shlex.split(line.removeprefix(path)))
    assert context.params


def test_every_command_speaks_json() -> None:
    silent = {path for path, leaf in leaves() if "--json" not in {one for each in leaf.params for one in each.options}}
    assert silent == set()
