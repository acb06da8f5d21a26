"""What is written down about the knowledge in force: once, and again only when it changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grace.act.healing.shelf import record_knowledge
from grace.model.catalogue import Catalogue
from grace.record.opening import Record, RecordPlaces, open_record
from grace.think.knowledge.loading import check_probes, load_knowledge

PACK = """\
format: 1
pack: {name}
version: 1.0.0
summary: For a test
rules:
  - id: {name}-full
    cause: disk_full
    title: {title}
    signature: {{any: [{{text: '\\bno space left\\b'}}]}}
    confidence: 0.9
    checks: [{{probe: host.disk_free_share, with: {{path: /}}, confirms: {{below: 0.1}}, tells: the room left}}]
    source: "POSIX.1-2017, <errno.h>, ENOSPC"
    examples: {{positive: [no space left on device], negative: [there is space left]}}
"""


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with open_record(RecordPlaces.within(tmp_path / "record")) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "knowledge"
    made.mkdir()
    for name in ("one", "two"):
        (made / f"{name}.yaml").write_text(PACK.format(name=name, title="A disk is full"))
    return made


def test_the_knowledge_in_force_is_written_once_and_again_when_it_changes(record: Record, folder: Path) -> None:
    first = record_knowledge(record, load_knowledge([folder]))
    again = record_knowledge(record, load_knowledge([folder]))
    (folder / "two.yaml").write_text(PACK.format(name="two", title="There is no room"))
    changed = record_knowledge(record, load_knowledge([folder]))
    (folder / "one.yaml").unlink()
    removed = record_knowledge(record, load_knowledge([folder]))
    shutil.copy(folder / "two.yaml", folder / "three.yml")
    (folder / "three.yml").write_text(PACK.format(name="three", title="A disk is full"))
    added = record_knowledge(record, load_knowledge([folder]))

    assert first is not None
    assert first.added == ("one", "two")
    assert again is None
    assert changed is not None
    assert (changed.added, changed.changed, changed.removed) == ((), ("two",), ())
    assert removed is not None
    assert removed.removed == ("one",)
    assert added is not None
    assert added.added == ("three",)


def test_a_pack_that_comes_back_is_written_again(record: Record, folder: Path) -> None:
    record_knowledge(record, load_knowledge([folder]))
    kept = (folder / "one.yaml").read_text()
    (folder / "one.yaml").unlink()
    record_knowledge(record, load_knowledge([folder]))
    (folder / "one.yaml").write_text(kept)
    back = record_knowledge(record, load_knowledge([folder]))

    assert back is not None
    assert back.added == ("one",)


def test_a_check_that_asks_a_probe_that_is_not_there_is_a_flaw(folder: Path) -> None:
    flaws = check_probes(load_knowledge([folder]), Catalogue({}, {}).probes)

    assert [flaw.rule for flaw in flaws] == ["unknown-probe", "unknown-probe"]
    assert flaws[0].file.endswith("one.yaml")
    assert "host.disk_free_share" in flaws[0].message
