from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.canonical import canonical
from grace.kit.documents import Document, Flaw, Mark
from grace.kit.yaml import LARGEST_FILE_BYTES, read_yaml

PLAYBOOK = Path(__file__).parents[2] / "playbooks" / "sqlite-release-stuck-writer.yaml"


def read(text: str | bytes) -> Document:
    document = read_yaml(text, "a.yaml")
    assert isinstance(document, Document), str(document)
    return document


def refused(text: str | bytes) -> Flaw:
    flaw = read_yaml(text, "a.yaml")
    assert isinstance(flaw, Flaw), flaw.value
    return flaw


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("0644", 644),
        ("0o644", 0o644),
        ("0x1F", 31),
        ("1.0.0", "1.0.0"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("3s", "3s"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("~", None),
        ("", None),
        ("'null'", "null"),
        ('"3"', "3"),
        ("true", True),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    value = read(f"a: {written}").value

    assert isinstance(value, dict)
    assert value["a"] == meant
    assert type(value["a"]) is type(meant)


def test_every_part_knows_its_place() -> None:
    document = read("a: 1\nb:\n  - c: 2\n    d: [3, 4]\n")

    assert document.at(("a",)) == Mark(1, 1)
    assert document.at(("b", 0, "d")) == Mark(4, 5)
    assert document.at(("b", 0, "d", 1)) == Mark(4, 12)


def test_a_part_that_is_missing_points_at_what_is_around_it() -> None:
    document = read("a:\n  b: 1\n")

    assert document.at(("a", "nothing", 7)) == Mark(1, 1)
    assert document.at(("a", "an-arm-of-a-union", "b")) == Mark(2, 3)


@pytest.mark.parametrize(
    ("written", "rule", "line"),
    [
        ("a: 1\nb: 2\na: 3", "yaml.duplicate-key", 3),
        ("a: {b: 1, b: 2}", "yaml.duplicate-key", 1),
        ("a: &x 1\nb: *x", "yaml.anchor", 1),
        ("a: 1\nb: *x", "yaml.anchor", 2),
        ("a: !!python/object:os.system 1", "yaml.tag", 1),
        ("a: !!str 1", "yaml.tag", 1),
        ("%YAML 1.1\n---\na: off", "yaml.directive", 2),
        ("a: 1\n---\nb: 2", "yaml.one-document", 2),
        ("? [a]\n: 1", "yaml.key", 1),
        ("a: .inf", "yaml.not-finite", 1),
        ("a: 1e999", "yaml.too-large-number", 1),
        ("a: 9007199254740993", "yaml.too-large-number", 1),
        ("a: " + "9" * 9000, "yaml.too-large-number", 1),
        ("a: 1\n\tb: 2", "yaml.syntax", 2),
        ("a: 1\nb: [", "yaml.syntax", 2),
        ('a: "\\Uffffffff"', "yaml.syntax", 1),
        ('a: "\\ud800"', "yaml.not-text", 1),
        ("a: 1\nb: \x00", "yaml.syntax", 2),
        (b"a: 1\nb: \xff", "yaml.not-utf8", 2),
        ("", "yaml.empty", 1),
        ("# nothing\n", "yaml.empty", 1),
        ("[" * 4000, "yaml.too-deep", 1),
        ("a: x" + "x" * LARGEST_FILE_BYTES, "yaml.too-large", 1),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(written: str | bytes, rule: str, line: int) -> None:
    flaw = refused(written)

    assert (flaw.rule, flaw.line) == (rule, line)
    assert str(flaw).startswith(f"a.yaml:{line}:")


def test_aliases_cannot_make_a_short_file_large() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )

    assert refused(bomb).rule == "yaml.anchor"


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="abc01:-?[]{},&*!|>'\"%@`#\n \t\\U~<=./$\u0085\u2028é")))
def test_garbage_is_a_document_or_a_flaw(garbage: str | bytes) -> None:
    outcome = read_yaml(garbage, "a.yaml")

    if isinstance(outcome, Document):
        assert canonical(outcome.value)
    else:
        assert outcome.line >= 1
        assert outcome.message


@given(st.data())
def test_a_damaged_playbook_is_a_document_or_a_flaw(data: st.DataObject) -> None:
    text = list(PLAYBOOK.read_text())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from("[]{}:&*!|>'\"%#\n\t -?,\\0"))

    assert isinstance(read_yaml("".join(text), "a.yaml"), Document | Flaw)
