from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from grace.think.playbooks.schema import playbook_schema
from tests.think.worlds import CATALOGUE, RELOAD, SHIPPED, STUCK_WRITER, document


def accepts(text: str, *, with_names: bool = True) -> bool:
    validator = Draft7Validator(playbook_schema(CATALOGUE if with_names else None))
    return validator.is_valid(document(text).value)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("with_names", [True, False])
def test_the_schema_is_draft_07_and_takes_good_playbooks(with_names: bool) -> None:
    Draft7Validator.check_schema(playbook_schema(CATALOGUE if with_names else None))

    for text in (STUCK_WRITER, RELOAD):
        assert accepts(text, with_names=with_names)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: 1", "format: 2"),
        ("summary: End", "summry: End"),
        ("process.terminate", "process.end"),
        ("sqlite.integrity", "sqlite.whole"),
        ("is: ok", "is: ok, is_not: bad"),
        ("probe: sqlite.integrity", "probe: sqlite.integrity, metric: service.a"),
        ("for: 3s", "for: soon"),
        ("with: {path:", "with: {pth:"),
        ("on_violated: hold", "on_violated: shrug"),
        ("version: 1.0.0", "version: 1.0"),
    ],
)
def test_an_editor_sees_a_mistake_of_form(old: str, new: str) -> None:
    assert old in STUCK_WRITER

    assert not accepts(STUCK_WRITER.replace(old, new))


@pytest.mark.parametrize(("written", "is_taken"), [("0.2", True), ("2000%", True), ("20", False), ("-0.1", False)])
def test_an_editor_sees_a_share_without_its_sign(written: str, is_taken: bool) -> None:
    (playbook,) = (text for text in (STUCK_WRITER, RELOAD) if "worsens_at_most: 20%" in text)
    assert accepts(playbook.replace("worsens_at_most: 20%", f"worsens_at_most: {written}")) is is_taken


def test_the_schema_that_ships_is_this_one() -> None:
    shipped = json.loads((SHIPPED / "playbooks" / "schema.json").read_text())

    assert shipped == playbook_schema(), "write `playbook_schema()` into it again"
