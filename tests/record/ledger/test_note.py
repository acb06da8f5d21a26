import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from grace.record.ledger.note import (
    Checkpoint,
    KeyUnusableError,
    NoteInvalidError,
    Signer,
    VerifierKey,
    create_key,
    load_signer,
    open_checkpoint,
    open_note,
    split_notes,
)
from grace.record.ledger.tree import TreeHead

SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_TEXT = "This is an example message.\n"
SPEC_SIGNATURE = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
SPEC_NOTE = f"{SPEC_TEXT}\n— example.com/foo {SPEC_SIGNATURE}\n"

SIGNER = Signer("grace.local/log", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
STRANGER = Signer("grace.local/log", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
CHECKPOINT = Checkpoint("grace.local/log", TreeHead(7, b"\x05" * 32))


def test_the_example_of_the_specification_verifies() -> None:
    key = VerifierKey.parse(SPEC_KEY)
    assert open_note(SPEC_NOTE, key) == SPEC_TEXT
    assert str(key) == SPEC_KEY


def test_the_specifications_are_followed_to_the_example(shared_data: Path) -> None:
    assert SPEC_NOTE in (shared_data / "tlog_specs" / "signed-note.md").read_text()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n")))
def test_what_was_signed_opens_with_the_same_key_and_no_other(text: str) -> None:
    note = SIGNER.sign(f"{text}\n")
    assert open_note(note, SIGNER.key) == f"{text}\n"
    with pytest.raises(NoteInvalidError):
        open_note(note, STRANGER.key)


def test_signatures_of_strangers_beside_ours_are_ignored() -> None:
    ours, theirs = SIGNER.sign("text\n"), STRANGER.sign("text\n")
    both = ours + theirs.removeprefix("text\n\n")
    assert open_note(both, SIGNER.key) == open_note(both, STRANGER.key) == "text\n"


def test_one_bad_signature_of_ours_spoils_the_note() -> None:
    good, other = SIGNER.sign("text\n"), SIGNER.sign("other\n")
    with pytest.raises(NoteInvalidError, match="does not hold"):
        open_note(good + other.removeprefix("other\n\n"), SIGNER.key)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "\n\n",
        SIGNER.sign("text\n").replace("text", "tent"),
        SIGNER.sign("text\n").rstrip("\n"),
        SIGNER.sign("text\n") + "more\n",
        SIGNER.sign("text\n").replace("— ", "- "),
        SIGNER.sign("text\n").replace("— ", "—  "),
        SIGNER.sign("text\n").replace("=", ""),
        "te\x01xt\n\n" + SIGNER.sign("text\n").removeprefix("text\n\n"),
        "text\n\n— grace.local/log " + base64.b64encode(SIGNER.key.id).decode() + "\n",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(NoteInvalidError):
        open_note(note, SIGNER.key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        "name+00000000+!!!!",
        SPEC_KEY.replace("530d903a", "530d903b"),
        SPEC_KEY.replace("foo", "f o"),
    ],
)
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(NoteInvalidError):
        VerifierKey.parse(key)


def test_a_checkpoint_reads_back_equal() -> None:
    assert open_checkpoint(SIGNER.sign(CHECKPOINT.text), SIGNER.key) == CHECKPOINT


def test_the_checkpoint_of_another_log_is_refused() -> None:
    other = Checkpoint("grace.local/other", CHECKPOINT.head)
    with pytest.raises(NoteInvalidError, match="other"):
        open_checkpoint(SIGNER.sign(other.text), SIGNER.key)


def test_extension_lines_are_allowed_and_mean_nothing() -> None:
    assert Checkpoint.parse(CHECKPOINT.text + "extension\n") == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        CHECKPOINT.text.removesuffix("\n"),
        CHECKPOINT.text.replace("7\n", "07\n", 1),
        CHECKPOINT.text.replace("7\n", "-7\n", 1),
        CHECKPOINT.text.replace("7\n", "\u0667\n", 1),
        CHECKPOINT.text.replace("7\n", "\n", 1),
        CHECKPOINT.text.replace("=", ""),
        "o\n1\nAAAA\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalidError):
        Checkpoint.parse(text)


def test_notes_written_one_after_the_other_come_apart_and_a_torn_one_is_left_out() -> None:
    notes = [SIGNER.sign(Checkpoint("grace.local/log", TreeHead(n, b"\x00" * 32)).text) for n in range(3)]
    written = "".join(f"{note}\n" for note in notes)
    assert split_notes(written) == tuple(notes)
    for cut in range(1, len(notes[2])):
        assert split_notes(written[: -1 - cut]) == tuple(notes[:2])


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    first = load_signer(path, "grace.local/log").key
    with pytest.raises(FileExistsError):
        create_key(path)
    assert load_signer(path, "grace.local/log").key == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    create_key(path)
    path.chmod(0o644)
    with pytest.raises(KeyUnusableError, match="chmod 600"):
        load_signer(path, "grace.local/log")


@pytest.mark.parametrize("content", ["", "not base64", "AAAA"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ledger.key"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(KeyUnusableError, match="Put the original file back"):
        load_signer(path, "grace.local/log")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_key_name_without_meaning_to_the_format_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalidError):
        Signer(name, Ed25519PrivateKey.generate())
