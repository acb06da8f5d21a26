"""Whoever changes the log below a checkpoint that is held outside is found out, offline, by the export alone."""

import base64
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.kit.canonical import canonical
from grace.kit.clock import VirtualClock
from grace.record.ledger.entries import payload_digest
from grace.record.ledger.note import Checkpoint, NoteInvalidError, Signer
from grace.record.ledger.tree import CompactRange, TreeHead, leaf_hash
from grace.record.ledger.verification import Fault, VerificationReport, verify_export, verify_lines
from grace.record.opening import RecordPlaces, open_record
from tests.record.drafts import draft, drafts

Line = dict[str, Any]
HEADER, FIRST = 0, 1


@dataclass(frozen=True)
class Exported:
    lines: tuple[bytes, ...]
    witnessed: str
    """What the file witness holds: checkpoints of 0, 20 and 40 entries."""
    key: str

    def changed(self, change: Callable[[list[Line]], object]) -> list[bytes]:
        values = [json.loads(line) for line in self.lines]
        change(values)
        return [canonical(value) + b"\n" for value in values]

    def verify(self, lines: Sequence[bytes], *, key: bool = True, old: bool = True) -> VerificationReport:
        return verify_lines(lines, self.witnessed if old else None, self.key if key else None)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    places = RecordPlaces.within(tmp_path_factory.mktemp("grace"))
    with open_record(places, clock=VirtualClock()) as record:
        for name in ("a", "b"):
            record.append_all(drafts(20, name))
            record.checkpointer.witness_now()
        return Exported(tuple(record.export_lines()), places.witness.read_text(), record.verifier_key)


def resign(lines: list[Line], signer: Signer, origin: str) -> None:
    """Do what a thief with a key of their own would do: make every hash and the signature right again."""
    tree = CompactRange()
    for index, line in enumerate(lines[FIRST:-1]):
        line["entry"]["index"] = index
        if "payload" in line:
            salt = base64.b64decode(line["salt"])
            line["entry"]["payload_digest"] = payload_digest(salt, canonical(line["payload"]))
        leaf = leaf_hash(canonical(line["entry"]))
        line["leaf_hash"] = base64.b64encode(leaf).decode()
        tree.append(leaf)
    head = TreeHead(tree.size, tree.root())
    lines[HEADER] |= {"size": tree.size, "origin": origin, "key": str(signer.key)}
    lines[-1]["checkpoint"] = signer.sign(Checkpoint(origin, head).text)


def test_an_untouched_export_is_valid(exported: Exported) -> None:
    report = exported.verify(exported.lines)
    assert report.findings == ()
    assert report.is_valid
    assert (report.size, report.erased, report.checkpoints, report.key_is_trusted) == (40, 0, 3, True)
    assert report.key == exported.key


def test_without_a_key_from_elsewhere_the_report_says_so(exported: Exported) -> None:
    assert exported.verify(exported.lines, key=False, old=False).key_is_trusted is False
    assert exported.verify(exported.lines, key=False, old=True).key_is_trusted is True


FIELDS = {
    "key": "forged",
    "type": "run.settled",
    "at": "2020-01-01T00:00:00.000000Z",
    "actor": "nobody",
    "run_id": "run_x",
    "incident_id": "inc_x",
    "service": "other",
    "payload_digest": "sha256:" + "0" * 64,
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_field_is_found_with_its_index(exported: Exported, name: str) -> None:
    report = exported.verify(exported.changed(lambda lines: lines[FIRST + 7]["entry"].update({name: FIELDS[name]})))
    assert report.first_bad_index is not None
    assert Fault.ENTRY_CHANGED in {finding.fault for finding in report.findings if finding.index == 7}


@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_field_with_its_hash_made_right_is_found_between_two_checkpoints(
    exported: Exported, name: str
) -> None:
    def change(lines: list[Line]) -> None:
        entry = lines[FIRST + 27]["entry"]
        entry[name] = FIELDS[name]
        lines[FIRST + 27]["leaf_hash"] = base64.b64encode(leaf_hash(canonical(entry))).decode()

    report = exported.verify(exported.changed(change))
    assert {finding.fault for finding in report.findings} >= {Fault.HISTORY_CHANGED}
    assert min(f.index for f in report.findings if f.fault is Fault.HISTORY_CHANGED and f.index is not None) == 20
    assert not exported.verify(exported.changed(change), old=False).is_valid


def _other_salt(line: Line) -> None:
    line["salt"] = base64.b64encode(b"\x00" * 32).decode()


def _pretend_erased(line: Line) -> None:
    line["erased"] = True


def _drop(*names: str) -> Callable[[Line], None]:
    def change(line: Line) -> None:
        for name in names:
            del line[name]

    return change


def _withhold(line: Line) -> None:
    del line["payload"], line["salt"]
    line["erased"] = True


def test_a_payload_that_is_left_out_as_if_erased_is_found(exported: Exported) -> None:
    one = exported.verify(exported.changed(lambda lines: _withhold(lines[FIRST + 7])))
    assert [(f.fault, f.index, f.line) for f in one.findings] == [(Fault.PAYLOAD_WITHHELD, 7, FIRST + 8)]
    every = exported.verify(exported.changed(lambda lines: [_withhold(line) for line in lines[FIRST:-1]]))
    assert {finding.fault for finding in every.findings} == {Fault.PAYLOAD_WITHHELD}
    assert "20 more" in every.findings[-1].what


PAYLOAD_CHANGES: list[Callable[[Line], object]] = [
    lambda line: line["payload"].update({"key": "forged"}),
    lambda line: line["payload"].update({"more": 1}),
    lambda line: line.update({"payload": {}}),
    _other_salt,
    lambda line: line.update({"salt": ""}),
    lambda line: line.update({"salt": "?"}),
    _drop("salt"),
    _drop("payload"),
    _drop("payload", "salt"),
    _pretend_erased,
]


@pytest.mark.parametrize("change", PAYLOAD_CHANGES)
def test_a_changed_payload_is_found_with_its_index(exported: Exported, change: Callable[[Line], object]) -> None:
    report = exported.verify(exported.changed(lambda lines: change(lines[FIRST + 7])))
    assert [(finding.fault, finding.index) for finding in report.findings] == [(Fault.PAYLOAD_CHANGED, 7)]
    assert report.findings[0].line == FIRST + 8


def _insert(lines: list[Line]) -> None:
    lines.insert(FIRST + 7, deepcopy(lines[FIRST + 30]))


def _duplicate(lines: list[Line]) -> None:
    lines.insert(FIRST + 8, deepcopy(lines[FIRST + 7]))


def _delete(lines: list[Line]) -> None:
    del lines[FIRST + 7]


def _swap(lines: list[Line]) -> None:
    lines[FIRST + 7], lines[FIRST + 8] = lines[FIRST + 8], lines[FIRST + 7]


@pytest.mark.parametrize(("change", "index"), [(_insert, 7), (_duplicate, 8), (_delete, 7), (_swap, 7)])
def test_an_inserted_doubled_deleted_or_moved_entry_is_found(
    exported: Exported, change: Callable[[list[Line]], None], index: int
) -> None:
    report = exported.verify(exported.changed(change))
    assert [(finding.fault, finding.index) for finding in report.findings] == [(Fault.OUT_OF_ORDER, index)]


@pytest.mark.parametrize("change", [_insert, _duplicate, _delete, _swap])
def test_even_with_every_number_made_right_the_tree_is_another(
    exported: Exported, change: Callable[[list[Line]], None]
) -> None:
    def renumbered(lines: list[Line]) -> None:
        change(lines)
        for index, line in enumerate(lines[FIRST:-1]):
            line["entry"]["index"] = index
            line["leaf_hash"] = base64.b64encode(leaf_hash(canonical(line["entry"]))).decode()

    faults = {finding.fault for finding in exported.verify(exported.changed(renumbered), old=False).findings}
    assert Fault.HISTORY_CHANGED in faults or Fault.TRUNCATED in faults


@pytest.mark.parametrize("left", range(41))
def test_every_truncation_is_found(exported: Exported, left: int) -> None:
    cut = exported.verify(exported.lines[: FIRST + left])
    assert [finding.fault for finding in cut.findings] == [Fault.TRUNCATED]
    assert cut.first_bad_index == left


def test_a_truncation_that_keeps_the_end_is_found(exported: Exported) -> None:
    def change(lines: list[Line]) -> None:
        del lines[FIRST + 30 : -1]

    report = exported.verify(exported.changed(change))
    assert {finding.fault for finding in report.findings} == {Fault.TRUNCATED}
    assert report.first_bad_index == 30


def test_a_truncation_with_an_older_true_checkpoint_is_found(exported: Exported) -> None:
    """The log itself signed the state of 20 entries; only the checkpoint held outside tells that there were more."""
    notes = exported.witnessed.split("\n\n—")
    old_note = "\n\n—".join([notes[1].split("\n\n")[-1], notes[2].split("\n\n")[0]]) + "\n"

    def change(lines: list[Line]) -> None:
        del lines[FIRST + 20 : -1]
        lines[HEADER]["size"] = 20
        lines[-1]["checkpoint"] = old_note

    lines = exported.changed(change)
    assert exported.verify(lines, old=False).is_valid
    report = exported.verify(lines)
    assert [(finding.fault, finding.index) for finding in report.findings] == [(Fault.TRUNCATED, 20)]


def _forge_tail(lines: list[Line]) -> None:
    lines[FIRST + 35]["payload"] = {"key": "forged"}


def _forge_all(lines: list[Line]) -> None:
    for line in lines[FIRST:-1]:
        line["payload"] = {"key": "forged"}


@pytest.mark.parametrize("forge", [_forge_tail, _forge_all])
@pytest.mark.parametrize("same_name", [True, False])
def test_a_log_signed_by_a_fresh_key_is_found(
    exported: Exported, forge: Callable[[list[Line]], None], same_name: bool
) -> None:
    origin = exported.key.partition("+")[0] if same_name else "grace.local/other"
    thief = Signer(origin, Ed25519PrivateKey.generate())

    def change(lines: list[Line]) -> None:
        forge(lines)
        resign(lines, thief, origin)

    lines = exported.changed(change)
    assert exported.verify(lines, key=False, old=False).is_valid
    assert Fault.OTHER_LOG in {finding.fault for finding in exported.verify(lines, old=False).findings}
    assert Fault.OTHER_LOG in {finding.fault for finding in exported.verify(lines, key=False).findings}


def test_a_log_rewritten_with_its_own_stolen_key_is_found_by_the_checkpoint_outside(tmp_path: Path) -> None:
    places = RecordPlaces.within(tmp_path)
    with open_record(places, clock=VirtualClock()) as record:
        record.append_all(drafts(20))
        record.checkpointer.witness_now()
        signer = record._signer  # pyright: ignore[reportPrivateUsage]
        mine = Exported(tuple(record.export_lines()), places.witness.read_text(), record.verifier_key)

    def change(lines: list[Line]) -> None:
        lines[FIRST + 3]["payload"] = {"key": "forged"}
        resign(lines, signer, signer.key.name)

    lines = mine.changed(change)
    assert mine.verify(lines, old=False).is_valid
    report = mine.verify(lines)
    assert {finding.fault for finding in report.findings} == {Fault.HISTORY_CHANGED}


FRAME_CHANGES: list[tuple[Callable[[list[Line]], object], Fault]] = [
    (lambda lines: lines[-1].update({"checkpoint": "x"}), Fault.UNSIGNED),
    (
        lambda lines: lines[-1].update({"checkpoint": lines[-1]["checkpoint"].replace("\n40\n", "\n41\n")}),
        Fault.UNSIGNED,
    ),
    (lambda lines: lines[-1].update({"more": 1}), Fault.UNSIGNED),
    (lambda lines: lines[HEADER].update({"origin": "grace.local/other"}), Fault.OTHER_LOG),
    (lambda lines: lines[HEADER].update({"size": 41}), Fault.TRUNCATED),
    (lambda lines: lines[HEADER].update({"size": 39}), Fault.OUT_OF_ORDER),
    (lambda lines: lines[HEADER].update({"format": "other/1"}), Fault.UNREADABLE),
    (lambda lines: lines[HEADER].update({"key": "nonsense"}), Fault.UNREADABLE),
    (lambda lines: lines.pop(HEADER), Fault.UNREADABLE),
    (lambda lines: lines.append(lines[FIRST]), Fault.UNREADABLE),
    (lambda lines: lines[FIRST + 2].update({"more": 1}), Fault.UNREADABLE),
    (lambda lines: lines[FIRST + 2]["entry"].update({"more": 1}), Fault.UNREADABLE),
    (lambda lines: lines[FIRST + 2]["entry"].pop("actor"), Fault.UNREADABLE),
    (lambda lines: lines[FIRST + 2]["entry"].update({"at": "yesterday"}), Fault.UNREADABLE),
    (lambda lines: lines.insert(FIRST + 2, lines[-1]), Fault.UNREADABLE),
]


@pytest.mark.parametrize(("change", "fault"), FRAME_CHANGES)
def test_a_changed_frame_is_found(exported: Exported, change: Callable[[list[Line]], object], fault: Fault) -> None:
    assert fault in {finding.fault for finding in exported.verify(exported.changed(change)).findings}


SPOILS: list[Callable[[bytes], bytes]] = [
    lambda line: line.replace(b'":', b'": ', 1),
    lambda line: line.rstrip(b"\n"),
    lambda line: line[:20] + b"\n",
    lambda line: b"\xff" + line,
    lambda line: line.replace(b'{"entry":', b'{"entry":{},"entry":', 1),
    lambda _: b"\n",
    lambda _: b"[]\n",
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_line_that_is_not_canonical_is_found(exported: Exported, spoil: Callable[[bytes], bytes]) -> None:
    lines = list(exported.lines)
    lines[FIRST + 4] = spoil(lines[FIRST + 4])
    report = exported.verify(lines)
    assert report.findings[0].fault is Fault.UNREADABLE
    assert report.findings[0].line == FIRST + 5


@settings(max_examples=300)
@given(st.data())
def test_no_single_byte_can_be_changed(exported_once: Exported, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(exported_once.lines) - 1))
    line = exported_once.lines[number]
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    lines = list(exported_once.lines)
    lines[number] = line[:place] + bytes([byte]) + line[place + 1 :]
    assert not exported_once.verify(lines).is_valid


BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """An export of two entries, the payload of one erased, whose every byte can be tried."""
    places = RecordPlaces.within(tmp_path_factory.mktemp("grace"))
    with open_record(places, clock=VirtualClock()) as record:
        record.append_all(drafts(1, "a"))
        record.erase(0, "an admin", "asked for")
        record.checkpointer.witness_now()
        return Exported(tuple(record.export_lines()), places.witness.read_text(), record.verifier_key)


@pytest.mark.parametrize("number", range(4))
def test_every_byte_of_a_line_counts(tiny: Exported, number: int) -> None:
    assert tiny.verify(tiny.lines).is_valid
    line = tiny.lines[number]
    for place, stood in enumerate(line):
        is_last = line[place + 1 : place + 2] in {b'"', b"=", b"\\"}  # where bits may be left over
        others = {stood ^ 1 << bit for bit in range(8)}
        if is_last:
            others |= set(BASE64) - {stood}
        for other in sorted(others):
            lines = list(tiny.lines)
            lines[number] = line[:place] + bytes([other]) + line[place + 1 :]
            assert not tiny.verify(lines).is_valid, (place, line[place - 20 : place + 1], other)


def test_another_spelling_of_the_same_salt_is_found(exported: Exported) -> None:
    def respell(lines: list[Line]) -> None:
        salt: str = lines[FIRST]["salt"]
        others = [f"{salt[:-2]}{one}=" for one in map(chr, BASE64) if one not in {"=", salt[-2]}]
        lines[FIRST]["salt"] = next(other for other in others if base64.b64decode(other) == base64.b64decode(salt))

    (finding,) = exported.verify(exported.changed(respell)).findings
    assert (finding.fault, finding.index) == (Fault.PAYLOAD_CHANGED, 0)


@pytest.fixture(scope="module", name="exported_once")
def _exported_once(exported: Exported) -> Exported:
    return exported


def test_an_empty_export_and_an_empty_log_are_two_things(tmp_path: Path) -> None:
    assert [finding.fault for finding in verify_lines([]).findings] == [Fault.TRUNCATED]
    with open_record(RecordPlaces.within(tmp_path)) as record:
        assert verify_lines(record.export_lines(), key=record.verifier_key).is_valid


@pytest.mark.parametrize("old", ["", "nothing signed", "a\nb\n"])
def test_an_old_checkpoint_that_is_none_is_the_callers_mistake(exported: Exported, old: str) -> None:
    with pytest.raises(NoteInvalidError, match="old checkpoint"):
        verify_lines(exported.lines, old)


def test_an_export_is_a_file_that_is_never_overwritten(tmp_path: Path) -> None:
    places = RecordPlaces.within(tmp_path / "grace")
    with open_record(places) as record:
        record.append_all([draft("a", {"pi": 3.14, "big": 1e300, "none": None, "text": "\u2028€😀"})])
        path = tmp_path / "export.jsonl"
        assert record.export(path) == 3
        assert verify_export(path, places.witness.read_text(), record.verifier_key).is_valid
        with pytest.raises(FileExistsError):
            record.export(path)
