from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from grace.kit.documents import Document
from grace.kit.yaml import read_yaml
from grace.shipped import shipped_folder
from grace.think.knowledge.loading import knowledge_files
from grace.think.knowledge.schema import knowledge_schema

FOLDER = shipped_folder("knowledge")
PACK = """\
format: 1
pack: mine
version: 1.0.0
summary: What only we know
rules:
  - id: boiler-cold
    cause: boiler_cold
    title: The boiler is cold
    signature: {any: [{text: 'boiler is cold'}]}
    confidence: 0.9
    source: The boiler's own manual, page 3
    checks:
      - {probe: host.load_per_core, confirms: {below: 1}, tells: how busy the machine is}
    examples: {positive: [the boiler is cold], negative: [the boiler is hot]}
"""


def accepts(text: str, *, probes: tuple[str, ...] = ("host.load_per_core",)) -> bool:
    document = read_yaml(text.encode(), "mine.yaml")
    assert isinstance(document, Document)
    return Draft7Validator(knowledge_schema(probes)).is_valid(document.value)  # pyright: ignore[reportUnknownMemberType]


def test_the_schema_is_draft_07_and_takes_every_pack_that_ships() -> None:
    Draft7Validator.check_schema(knowledge_schema())

    for path in knowledge_files([FOLDER]):
        assert accepts(path.read_text(), probes=()), path.name
    assert accepts(PACK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: 1", "format: 2"),
        ("summary: What", "sumary: What"),
        ("version: 1.0.0", "version: 1.0"),
        ("confidence: 0.9", "confidence: 1.5"),
        ("{text: 'boiler is cold'}", "{}"),
        ("{text: 'boiler is cold'}", "{texts: 'boiler is cold'}"),
        ("signature: {any:", "signature: {none:"),
        ("host.load_per_core", "host.load"),
        ("{below: 1}", "{below: 1, above: 2}"),
        ("confirms: {below: 1}, ", ""),
        ("positive: [the boiler is cold], ", ""),
    ],
)
def test_an_editor_sees_a_mistake_of_form(old: str, new: str) -> None:
    assert old in PACK

    assert not accepts(PACK.replace(old, new))


def test_the_schema_that_ships_is_this_one() -> None:
    shipped = json.loads((FOLDER / "schema.json").read_text())

    assert shipped == knowledge_schema(), "write `knowledge_schema()` into it again"


def test_every_pack_that_ships_tells_editors_its_schema() -> None:
    for path in knowledge_files([FOLDER]):
        assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n"), path.name
