from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from grace.kit.documents import Document, Flaw, did_you_mean
from grace.kit.parsing import parse
from grace.kit.yaml import read_yaml
from grace.model.quantities import Duration, share


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    radius: float = Field(gt=0)


class Car(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    delay: Duration = 0.0
    is_open: bool = False


def flaws_of(text: str) -> list[Flaw]:
    document = read_yaml(text, "car.yaml")
    assert isinstance(document, Document)
    outcome = parse(document, Car)
    return [] if isinstance(outcome, Car) else list(outcome)


def test_a_document_without_flaws_is_its_model() -> None:
    document = read_yaml("name: a\nwheels: [{radius: 1}]\ndelay: 3s\n", "car.yaml")

    assert isinstance(document, Document)
    assert parse(document, Car) == Car(name="a", wheels=(Wheel(radius=1),), delay=3.0)


def test_every_flaw_is_told_at_once_in_the_order_of_the_file() -> None:
    found = flaws_of("name: 7\nwheels:\n  - radius: 0\n  - {radius: 1, raduis: 2}\n")

    assert [(one.line, one.rule) for one in found] == [(1, "wrong-type"), (3, "wrong-value"), (4, "unknown-key")]


def test_an_unknown_key_names_the_one_that_was_meant() -> None:
    (flaw,) = flaws_of("name: a\nspare: {radius: 1, raduis: 2}\n")

    assert "raduis" in flaw.message
    assert flaw.next == "Did you mean 'radius'?"


def test_a_missing_key_is_told_where_it_should_stand() -> None:
    (flaw,) = flaws_of("name: a\nwheels:\n  - {}\n")

    assert (flaw.line, flaw.rule, flaw.next) == (3, "missing-key", "Add `radius:`.")


def test_nothing_is_coerced() -> None:
    assert [one.rule for one in flaws_of("name: a\nis_open: off")] == ["wrong-value"]
    assert [one.rule for one in flaws_of("name: a\nwheels: [{radius: '1'}]")] == ["wrong-value"]
    assert [one.rule for one in flaws_of("name: a\nwheels: [{radius: true}]")] == ["wrong-value"]


def test_a_number_where_text_belongs_says_to_quote_it() -> None:
    (flaw,) = flaws_of("name: 1.0")

    assert flaw.next == "Write it in quotes."


def test_a_validator_speaks_in_its_own_words() -> None:
    (flaw,) = flaws_of("name: a\ndelay: soon")

    assert "write it like 500ms" in flaw.message


def test_a_suggestion_is_the_nearest_name_or_the_choice() -> None:
    assert did_you_mean("file.writ", ["file.write", "file.read"]) == "Did you mean 'file.write'?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."
    assert did_you_mean("zzz", []) == "None is known here."


@pytest.mark.parametrize(
    ("written", "read"), [("20%", 0.2), ("2000%", 20.0), (0.2, 0.2), (0, 0.0), (1, 1.0), ("0.5 %", 0.005)]
)
def test_a_share_is_read_as_it_is_written(written: object, read: float) -> None:
    assert share(written) == read


@pytest.mark.parametrize("written", [20, 1.5, 100])
def test_a_share_above_one_needs_its_sign(written: float) -> None:
    with pytest.raises(ValueError, match=f"write {written:g}% or {written / 100:g}, or {written:.0%} for that"):
        share(written)


class Paper(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=8)]
    address: str


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(min_length=8)] | Paper
    papers: tuple[Paper | str, ...] = ()
    pages: dict[str, int] | int | None = None


def said_of(text: str) -> list[str]:
    document = read_yaml(text, "note.yaml")
    assert isinstance(document, Document)
    outcome = parse(document, Note)
    return [] if isinstance(outcome, Note) else [one.message for one in outcome]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: 5", ["source: should be text or an object"]),
        ("source: abc", ["source: should have at least 8 characters"]),
        ("source: {title: abc}", ["source.address is missing", "source.title: should have at least 8 characters"]),
        ("source: {tilte: a}", ["source.address is missing", "source.title is missing", "unknown key 'tilte'"]),
        ("source: long enough\npapers: [7]", ["papers.0: should be an object or text"]),
        ("source: long enough\npapers: [{title: long enough}]", ["papers.0.address is missing"]),
        ("source: long enough\npages: a", ["pages: should be an object or a whole number"]),
        ("source: long enough\npages: {a: b}", ["pages.a: should be a whole number"]),
    ],
)
def test_a_flaw_of_one_of_several_forms_is_told_once_and_by_its_field_alone(text: str, said: list[str]) -> None:
    assert sorted(said_of(text)) == sorted(said)
