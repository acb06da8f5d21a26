from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grace.cli.exits import Exit
from grace.model.events import EventType, HaltChanged
from grace.model.ledger_entry import Draft
from grace.record.opening import RecordPlaces, open_record
from tests.cli.conftest import Grace


def _halt(number: int) -> Draft:
    changed = HaltChanged(halt_id=f"hlt_{number}", scope="*", by="ann", reason=f"reason {number}")
    return Draft(key=f"hlt_{number}/started", type=EventType.HALT_STARTED, actor="ann", payload=changed.to_json())


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Return an export of twelve entries, a checkpoint of the first five, and the log's key."""
    folder = tmp_path_factory.mktemp("log")
    with open_record(RecordPlaces.within(folder / "record")) as record:
        record.append_all([_halt(number) for number in range(5)])
        checkpoint = record.checkpoint()
        record.append_all([_halt(number) for number in range(5, 12)])
        record.export(folder / "export")
        return (folder / "export").read_text(), checkpoint, record.verifier_key


@pytest.fixture
def files(log: tuple[str, str, str], tmp_path: Path) -> tuple[Path, Path]:
    export, checkpoint = tmp_path / "export", tmp_path / "checkpoint"
    export.write_text(log[0])
    checkpoint.write_text(log[1])
    return export, checkpoint


def test_a_true_export_is_valid(grace: Grace, files: tuple[Path, Path], log: tuple[str, str, str]) -> None:
    export, checkpoint = files
    said = grace("ledger", "verify", str(export), "--checkpoint", str(checkpoint), "--key", log[2])
    assert said.code == Exit.DONE
    assert "✓ valid  12 entries, held to 1 older checkpoint" in said.out
    assert said.err == ""


def test_without_an_older_checkpoint_it_says_what_that_cannot_show(grace: Grace, files: tuple[Path, Path]) -> None:
    said = grace("ledger", "verify", str(files[0]))
    assert said.code == Exit.DONE
    assert "No older checkpoint was given" in said.out
    assert "(named by the export itself)" in said.out


def test_json_tells_the_whole_report(grace: Grace, files: tuple[Path, Path]) -> None:
    said = grace("ledger", "verify", str(files[0]), "--checkpoint", str(files[1]), "--json")
    assert (said.json["valid"], said.json["size"], said.json["checkpoints"]) == (True, 12, 1)


def _edit(lines: list[str]) -> list[str]:
    return [line.replace("reason 3", "reason 9") for line in lines]


def _drop(lines: list[str]) -> list[str]:
    return lines[:4] + lines[5:]


def _swap(lines: list[str]) -> list[str]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def _cut(lines: list[str]) -> list[str]:
    return lines[:-4]


@pytest.mark.parametrize(
    ("tamper", "fault"),
    [(_edit, "payload_changed"), (_drop, "out_of_order"), (_swap, "out_of_order"), (_cut, "truncated")],
)
def test_tampering_is_named_and_has_its_own_exit_code(
    grace: Grace, files: tuple[Path, Path], tamper: Callable[[list[str]], list[str]], fault: str
) -> None:
    export, checkpoint = files
    export.write_text("\n".join(tamper(export.read_text().splitlines())) + "\n")
    said = grace("ledger", "verify", str(export), "--checkpoint", str(checkpoint))
    assert said.code == Exit.LEDGER_INVALID
    assert f"✗ violated  {fault}, line " in said.out
    assert said.err.splitlines()[-1].startswith("next: ")
    as_json = grace("ledger", "verify", str(export), "--json")
    assert as_json.code == Exit.LEDGER_INVALID
    assert fault in [finding["fault"] for finding in as_json.json["findings"]]


def test_an_export_of_another_log_does_not_pass(grace: Grace, files: tuple[Path, Path], tmp_path: Path) -> None:
    with open_record(RecordPlaces.within(tmp_path / "other")) as other:
        other.append(_halt(1))
        (tmp_path / "theirs").write_text(other.checkpoint())
        key = other.verifier_key
    said = grace("ledger", "verify", str(files[0]), "--checkpoint", str(tmp_path / "theirs"))
    assert said.code == Exit.LEDGER_INVALID
    assert "other_log" in said.out
    assert grace("ledger", "verify", str(files[0]), "--key", key).code == Exit.LEDGER_INVALID


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\x00\xff", json.dumps([1]).encode(), b"\n" * 100])
def test_what_is_no_export_is_invalid_and_never_a_traceback(grace: Grace, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    said = grace("ledger", "verify", str(tmp_path / "x"))
    assert said.code == Exit.LEDGER_INVALID


@pytest.mark.parametrize(
    ("checkpoint", "key", "says"),
    [
        (b"no note", None, "holds no signed note"),
        (b"\xff\xfe", None, "is not text"),
        (None, "nonsense", "verifier key"),
        (b"", None, "holds no signed note"),
    ],
)
def test_a_checkpoint_or_key_that_is_none_is_a_usage_error(
    grace: Grace, files: tuple[Path, Path], tmp_path: Path, checkpoint: bytes | None, key: str | None, says: str
) -> None:
    options = ["--key", key] if key else []
    if checkpoint is not None:
        (tmp_path / "old").write_bytes(checkpoint)
        options += ["--checkpoint", str(tmp_path / "old")]
    said = grace("ledger", "verify", str(files[0]), *options)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert says in said.err


def test_a_file_that_is_not_there_is_a_usage_error(grace: Grace, files: tuple[Path, Path], tmp_path: Path) -> None:
    assert grace("ledger", "verify", str(tmp_path / "none")).code == Exit.USAGE
    assert grace("ledger", "verify", str(tmp_path)).code == Exit.USAGE
    assert grace("ledger", "verify", str(files[0]), "--checkpoint", str(tmp_path / "none")).code == Exit.USAGE


@pytest.mark.parametrize(
    ("line", "old", "new", "says"),
    [
        (0, '"format":', '"formt":', "is no header of an export: format: is missing; formt: is not known here"),
        (0, '"size":12', '"size":"twelve"', "is no header of an export: size: should be a whole number"),
        (0, "{", "{{", "Not JSON as GRACE reads it: "),
        (3, '"entry":{', '"entry":{"index":2,', "Not JSON as GRACE reads it: "),
        (3, '"leaf_hash":', '"leef_hash":', "the line is no entry: leaf_hash: is missing"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_in_plain_words(
    grace: Grace, files: tuple[Path, Path], line: int, old: str, new: str, says: str
) -> None:
    lines = files[0].read_text().splitlines(keepends=True)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    files[0].write_text("".join(lines))
    said = grace("ledger", "verify", str(files[0]))
    assert said.code == Exit.LEDGER_INVALID
    assert says in said.out + said.err
    for library in ("pydantic", "http", "validation error", "Value error", "input_value", "_EntryLine", "_Header"):
        assert library not in said.out + said.err
