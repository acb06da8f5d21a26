from __future__ import annotations

from pathlib import Path

import pytest

from grace.think.playbooks.loading import LoadedPlaybook, check_pins, load_playbook, load_playbooks
from tests.think.worlds import CATALOGUE, RELOAD, STUCK_WRITER


class RememberedPins:
    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], str] = {}

    def pin(self, name: str, version: str, digest: str) -> str:
        return self.standing.setdefault((name, version), digest)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def load(path: Path) -> LoadedPlaybook:
    outcome = load_playbook(path, CATALOGUE)
    assert isinstance(outcome, LoadedPlaybook)
    return outcome


def test_comments_and_quotes_do_not_change_the_digest_and_content_does(tmp_path: Path) -> None:
    plain = load(write(tmp_path / "a.yaml", STUCK_WRITER))
    spoken = load(write(tmp_path / "b.yaml", "# hello\n" + STUCK_WRITER.replace("is: ok", "is: 'ok'")))
    other = load(write(tmp_path / "c.yaml", STUCK_WRITER.replace("for: 3s", "for: 4s")))

    assert plain.digest == spoken.digest
    assert plain.digest != other.digest


def test_changed_content_under_the_same_version_is_refused(tmp_path: Path) -> None:
    pins = RememberedPins()
    first = load(write(tmp_path / "a.yaml", STUCK_WRITER))
    changed = load(write(tmp_path / "a.yaml", STUCK_WRITER.replace("for: 3s", "for: 4s")))
    raised = load(write(tmp_path / "a.yaml", STUCK_WRITER.replace("for: 3s", "for: 4s").replace("1.0.0", "1.0.1")))

    assert check_pins([first], pins) == ()
    assert check_pins([first], pins) == ()
    (flaw,) = check_pins([changed], pins)
    assert flaw.rule == "changed-content"
    assert "1.0.0" in flaw.next
    assert check_pins([raised], pins) == ()


def test_a_flaw_in_one_file_hides_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / "good.yaml", STUCK_WRITER)
    write(tmp_path / "bad.yaml", RELOAD.replace("file.set_value", "file.set"))
    write(tmp_path / "worse.yaml", "a: [")
    write(tmp_path / "good.test.yaml", "not a playbook")
    write(tmp_path / "notes.txt", "nor this")
    library = load_playbooks([tmp_path], CATALOGUE)

    assert [one.playbook.name for one in library.playbooks] == ["sqlite-release-stuck-writer"]
    assert {Path(one.file).name for one in library.flaws} == {"bad.yaml", "worse.yaml"}


def test_the_newest_version_of_a_name_is_used(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        write(tmp_path / f"{version}.yaml", STUCK_WRITER.replace("1.0.0", version))
    library = load_playbooks([tmp_path], CATALOGUE)

    assert [one.playbook.version for one in library.playbooks] == ["1.10.0"]
    assert library.flaws == ()


def test_a_version_stands_in_one_file(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", STUCK_WRITER)
    write(tmp_path / "b.yaml", STUCK_WRITER.replace("for: 3s", "for: 4s"))

    assert [one.rule for one in load_playbooks([tmp_path], CATALOGUE).flaws] == ["repeated-version"]


@pytest.mark.parametrize("name", ["absent.yaml", "folder.yaml"])
def test_a_file_that_cannot_be_read_is_a_flaw(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    outcome = load_playbook(tmp_path / name, CATALOGUE)

    assert isinstance(outcome, tuple)
    assert outcome[0].rule == "unreadable"
