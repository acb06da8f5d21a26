import configparser
import json
import tomllib
from collections.abc import Callable

import pytest
from ruamel.yaml import YAML

from grace.kit.canonical import parse_json
from grace.kit.documents import Flaw
from grace.kit.format_flaws import format_flaw, yaml_flaw
from grace.kit.yaml import read_yaml

SECRET = "hunter2canary"
NUMBER = "1234567890123456789012345678901234567890"


def ini(text: str) -> object:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def yaml(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    ("read", "text", "place"),
    [
        (ini, f"{SECRET}\n", "line 1: a section"),
        (ini, f"[a]\nb = 1\n{SECRET}\n", "line 3: `key = value`"),
        (ini, f"[{SECRET}]\n[{SECRET}]\n", "line 2: this section"),
        (ini, f"[a]\n{SECRET} = 1\n{SECRET} = 2\n", "line 3: this key"),
        (json.loads, f'{{"a": {SECRET}}}', "line 1, column 7: JSON"),
        (parse_json, f'{{"a": {SECRET}}}', "line 1, column 7: JSON"),
        (parse_json, f'{{"a": "{SECRET}', "line 1, column 7: JSON"),
        (parse_json, f'{{"{SECRET}": 1, "{SECRET}": 2}}', "a key stands twice"),
        (parse_json, '{"a": 1' + "0" * 400 + "}", "cannot be kept exactly"),
        (tomllib.loads, f"a = {SECRET}\n", "line 1, column 5: `key = value`"),
        (tomllib.loads, f"{SECRET}", "at its end: `key = value`"),
        (tomllib.loads, f"[{SECRET}]\n[{SECRET}]\n", "line 2, column"),
        (tomllib.loads, f"a = {{{SECRET} = 1, {SECRET} = 2}}\n", "line 1, column"),
        (yaml, f"a: *{SECRET}\n", "line 1, column 4"),
        (yaml, f"{SECRET}: 1\n{SECRET}: 2\n", "line 2, column 1: this key stands twice"),
        (yaml, f"a: !{SECRET} x\n", "line 1, column 4"),
        (yaml, f"a: [{SECRET}\n", "line 2, column 1"),
    ],
)
def test_only_the_place_is_told(read: Callable[[str], object], text: str, place: str) -> None:
    with pytest.raises(Exception) as caught:
        read(text)
    told = format_flaw(caught.value)
    assert place in told
    assert SECRET not in told


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}: 1\n{SECRET}: 2\n",
        f"a: {SECRET} b: c\n",
        f"a: *{SECRET}\n",
        f"a: !{SECRET} x\n",
        f"a: [{SECRET}\n",
        f"a: {NUMBER}\n",
        f'a: "{SECRET}\\q"\n',
    ],
)
def test_a_flaw_in_yaml_shows_nothing_of_the_text(text: str) -> None:
    flaw = read_yaml(text, "file.yaml")
    assert isinstance(flaw, Flaw)
    told = yaml_flaw(flaw)
    assert told.startswith("line ")
    assert SECRET not in told
    assert NUMBER not in told
