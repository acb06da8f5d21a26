"""Files: what is there, what is in it, and what is refused."""

import hashlib
import os
from pathlib import Path

import pytest

from grace.model.reading import Known, Unknown
from tests.sense.collectors.conftest import Look, make_database


def why(found: Known | Unknown) -> str:
    assert isinstance(found, Unknown), found
    return found.why


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("first line\nsecond line\n")
    path.chmod(0o640)
    return path


def test_the_facts_of_a_file(look: Look, note: Path) -> None:
    path = str(note)
    assert look("file.exists", path=path) == Known(value=True)
    assert look("file.size", path=path) == Known(value=23)
    assert look("file.mode", path=path) == Known(value="0640")
    assert look("file.text", path=path) == Known(value="first line\nsecond line\n")
    assert look("file.digest", path=path) == Known(value=f"sha256:{hashlib.sha256(note.read_bytes()).hexdigest()}")


def test_a_file_that_is_not_there_is_known_to_be_absent_and_otherwise_unknown(look: Look, tmp_path: Path) -> None:
    path = str(tmp_path / "absent")
    assert look("file.exists", path=path) == Known(value=False)
    assert look("file.exists", path=f"{path}/deeper") == Known(value=False)
    for probe in ("file.size", "file.mode", "file.digest", "file.text"):
        assert why(look(probe, path=path)).endswith("No such file or directory")


def test_a_part_is_found_by_text_or_pattern(look: Look, note: Path) -> None:
    path = str(note)
    assert look("file.contains", path=path, text="second") == Known(value=True)
    assert look("file.contains", path=path, text="third") == Known(value=False)
    assert look("file.contains", path=path, pattern="(?m)^second") == Known(value=True)
    assert look("file.contains", path=path, pattern="^second") == Known(value=False)
    assert "either 'text' or 'pattern'" in why(look("file.contains", path=path))
    assert "either 'text' or 'pattern'" in why(look("file.contains", path=path, text="a", pattern="a"))
    assert "not a regular expression" in why(look("file.contains", path=path, pattern="("))


@pytest.mark.parametrize(
    ("name", "content", "key", "value"),
    [
        ("a.json", '{"pool": {"size": 5}}', "pool.size", 5),
        ("a.yaml", "pool:\n  sizes: [5, off]\n", "pool.sizes.1", "off"),
        ("a.yml", "enabled: true\n", "enabled", True),
        ("a.toml", "[pool]\nsize = 5\nsince = 2026-01-01\n", "pool.since", "2026-01-01"),
        ("a.toml", "[pool]\nratio = 0.5\n", "pool", {"ratio": 0.5}),
        ("a.ini", "[pool]\nsize = 5\n", "pool.size", "5"),
        ("a.conf", "[pool]\nsize = %(x)s\n", "pool.size", "%(x)s"),
    ],
)
def test_a_key_leads_into_a_file(look: Look, tmp_path: Path, name: str, content: str, key: str, value: object) -> None:
    path = tmp_path / name
    path.write_text(content)
    found = look("file.value", path=str(path), key=key)
    assert isinstance(found, Known), found
    assert found.value == value
    assert type(found.value) is type(value)
    assert why(look("file.value", path=str(path), key="pool.nothing")).endswith("has nothing at pool.nothing")


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.toml", "a.ini"])
def test_a_file_that_is_not_what_its_name_says_is_unknown(look: Look, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("{ [ : = not\n\tthis")
    assert " is not " in why(look("file.value", path=str(path), key="a"))


def test_a_secret_is_not_read(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"database": {"password": "hunter2hunter2", "user": "me"}}')
    assert "has a secret" in why(look("file.value", path=str(path), key="database.password"))
    assert "hunter2" not in str(look("file.value", path=str(path), key="database"))
    note = tmp_path / "note"
    note.write_text("password=hunter2hunter2")
    assert "hunter2" not in str(look("file.text", path=str(note)))


def test_a_database_and_its_companions_are_refused(look: Look, tmp_path: Path) -> None:
    path = make_database(tmp_path / "orders.db")
    for probe in ("file.digest", "file.text"):
        assert "ask it with a sqlite probe" in why(look(probe, path=str(path)))
        for suffix in ("-wal", "-shm", "-journal"):
            assert "ask it with a sqlite probe" in why(look(probe, path=f"{path}{suffix}"))
    assert isinstance(look("file.size", path=str(path)), Known)


def test_nothing_that_could_hang_is_opened(look: Look, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert why(look("file.text", path=str(pipe))).endswith("is not a regular file")
    assert why(look("file.text", path=str(tmp_path))).endswith("is not a regular file")
    assert why(look("file.text", path="/dev/zero")).endswith("is not a regular file")


def test_a_text_that_is_too_long_or_no_text_is_unknown(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * (64 * 1024 + 1))
    assert "longer than" in why(look("file.text", path=str(path)))
    path.write_bytes(b"\xff\xfe")
    assert why(look("file.text", path=str(path))).endswith("is not UTF-8 text")
    assert isinstance(look("file.digest", path=str(path)), Known)


def test_a_relative_path_is_refused(look: Look) -> None:
    assert "cannot be aimed" in why(look("file.exists", path="etc/passwd"))
    assert "cannot be aimed" in why(look("file.exists", path="/etc/../etc/passwd"))


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.conf", "hunter2canary\n", "line 1"),
        ("a.ini", "[a]\nb = 1\nhunter2canary\n", "line 3"),
        ("a.cfg", "[a]\nhunter2canary = 1\nhunter2canary = 2\n", "line 3"),
        ("a.json", '{"hunter2canary": hunter2canary}', "line 1, column 19"),
        ("a.yaml", "a: 1\nhunter2canary: 1\nhunter2canary: 2\n", "line 3, column 1"),
        ("a.yml", "a: *hunter2canary\n", "line 1, column 4"),
        ("a.toml", "a = 1\nb = hunter2canary\n", "line 2, column 5"),
        ("a.toml", "a = " + "9" * 5000, "cannot be kept exactly"),
        (".env", "hunter2canary\n", "no known format"),
    ],
)
def test_a_file_that_does_not_parse_is_told_by_its_place_alone(
    look: Look, tmp_path: Path, name: str, content: str, place: str
) -> None:
    (tmp_path / name).write_text(content)
    told = why(look("file.value", path=str(tmp_path / name), key="a"))
    assert place in told
    assert "hunter2canary" not in told
