import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from grace.act.executors import Applied
from grace.act.executors.file import FileExecutor
from grace.act.safehold.providers.files import FilesProvider
from grace.kit.cuts import arm, disarm
from grace.model.execution import StepState
from grace.model.snapshot import RestoreState
from grace.model.warrant import Refusal
from tests.act.workbench import Bench, file_target, parsed, perform, taken


@pytest.fixture
def hands(bench: Bench) -> FileExecutor:
    return FileExecutor(bench.workplace)


def write(file: Path, text: str) -> None:
    file.write_text(text)


def test_a_write_keeps_owner_mode_and_attributes(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "app.conf"
    file.write_text("old")
    file.chmod(0o640)
    os.setxattr(file, "user.origin", b"hand")
    done = perform(hands, "file.write", bench.journal(), path=str(file), content="new")
    assert done.state is StepState.DONE
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert os.getxattr(file, "user.origin") == b"hand"
    assert [path.name for path in bench.world.iterdir()] == ["app.conf"]


def test_a_new_file_gets_the_mode_that_was_asked_for(bench: Bench, hands: FileExecutor) -> None:
    perform(hands, "file.write", bench.journal(), path=str(bench.world / "plain"), content="x")
    perform(hands, "file.write", bench.journal(), path=str(bench.world / "secret"), content="x", mode="0600")
    assert (bench.world / "plain").stat().st_mode & 0o7777 == 0o644
    assert (bench.world / "secret").stat().st_mode & 0o7777 == 0o600


def test_a_file_that_is_as_wanted_is_left_alone(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "file"
    file.write_text("as wanted")
    before = file.stat()
    journal = bench.journal()
    done = perform(hands, "file.write", journal, path=str(file), content="as wanted")
    assert done.state is StepState.DONE
    assert done.output["changed"] is False
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino
    assert journal.notes == []


def test_a_symlink_is_written_through_and_stays(bench: Bench, hands: FileExecutor) -> None:
    real = bench.world / "real.conf"
    real.write_text("old")
    (bench.world / "link.conf").symlink_to(real)
    action = hands.actions["file.write"]
    parameters = action.spec.parameters(path=str(bench.world / "link.conf"), content="new")
    assert action.targets(parameters) == (file_target(real),)
    assert action.apply(parameters, bench.journal()).state is StepState.DONE
    assert real.read_text() == "new"
    assert (bench.world / "link.conf").is_symlink()


def test_the_prediction_shows_the_change_without_secrets_and_touches_nothing(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "app.conf"
    file.write_text("level = info\npassword = hunter2\n")
    before = file.stat()
    action = hands.actions["file.replace_text"]
    predicted = action.predict(action.spec.parameters(path=str(file), old="info", new="debug"))
    assert not isinstance(predicted, Refusal)
    assert "-level = info" in str(predicted["diff"])
    assert "hunter2" not in json.dumps(dict(predicted))
    assert file.stat() == before


@pytest.mark.parametrize(
    ("uses", "parameters", "says"),
    [
        ("file.replace_text", {"old": "absent", "new": "x"}, "occurs 0 times"),
        ("file.replace_text", {"old": "a", "new": "x", "count": 1}, "occurs 2 times"),
        ("file.set_value", {"key": "no.such", "value": 1}, "there is no such key"),
        ("file.set_value", {"key": "list", "value": 1}, "no single value"),
    ],
)
def test_an_edit_that_cannot_be_made_is_refused(
    bench: Bench, hands: FileExecutor, uses: str, parameters: dict[str, object], says: str
) -> None:
    file = bench.world / "file.yaml"
    file.write_text("list: [a, a]\n")
    journal = bench.journal()
    outcome = perform(hands, uses, journal, path=str(file), **parameters)
    assert outcome.state is StepState.REFUSED
    assert says in outcome.why
    assert file.read_text() == "list: [a, a]\n"
    assert journal.notes == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"path": "relative", "content": "x"},
        {"path": "/a/../b", "content": "x"},
        {"path": "/a\0b", "content": "x"},
        {"path": "/a", "content": "x", "mode": "rwx"},
        {"path": "/a", "content": "x", "mode": 420},
        {"path": "/a", "content": "x" * (1024 * 1024 + 1)},
        {"path": "/a", "content": "x", "owner": "root"},
        {"path": "/a"},
    ],
)
def test_parameters_out_of_bounds_are_refused(hands: FileExecutor, parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parsed(hands.actions["file.write"], **parameters)


@pytest.mark.parametrize("name", ["vault.key", "vault/x", "new"])
def test_graces_own_files_are_refused_under_any_name(bench: Bench, hands: FileExecutor, name: str) -> None:
    (bench.world / "alias").symlink_to(bench.own)
    outcome = perform(hands, "file.write", bench.journal(), path=str(bench.world / "alias" / name), content="x")
    assert outcome.state is StepState.REFUSED
    assert "control_plane" in outcome.why


def test_a_path_through_a_symlink_to_graces_own_folder_is_refused(bench: Bench, hands: FileExecutor) -> None:
    (bench.world / "innocent").symlink_to(bench.own / "vault.key")
    for uses, more in (("file.write", {"content": "x"}), ("file.chmod", {"mode": "0777"})):
        outcome = perform(hands, uses, bench.journal(), path=str(bench.world / "innocent"), **more)
        assert outcome.state is StepState.REFUSED
        assert "control_plane" in outcome.why


def test_folders_pipes_and_databases_are_refused(bench: Bench, hands: FileExecutor) -> None:
    (bench.world / "folder").mkdir()
    os.mkfifo(bench.world / "pipe")
    (bench.world / "data.db").write_bytes(b"SQLite format 3\0" + b"\0" * 84)
    (bench.world / "data.db-wal").touch()
    for name in ("folder", "pipe", "data.db", "data.db-wal"):
        outcome = perform(hands, "file.write", bench.journal(), path=str(bench.world / name), content="x")
        assert outcome.state is StepState.REFUSED, name


def test_a_file_that_changes_under_the_write_is_left_to_whoever_changed_it(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "file"
    file.write_text("before")
    journal = bench.journal()
    journal.on_note = lambda: write(file, "theirs")
    outcome = perform(hands, "file.write", journal, path=str(file), content="ours")
    assert outcome.state is StepState.REFUSED
    assert file.read_text() == "theirs"
    assert [path.name for path in bench.world.iterdir()] == ["file"]


def test_a_file_that_another_process_is_writing_is_refused(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "app.log"
    file.write_text("line\n")
    program = "import sys; f = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for uses, more in (("file.write", {"content": "x"}), ("file.remove", {})):
            outcome = perform(hands, uses, bench.journal(), path=str(file), **more)
            assert outcome.state is StepState.REFUSED, uses
        writer.communicate(b"")
    assert perform(hands, "file.remove", bench.journal(), path=str(file)).state is StepState.DONE


def test_a_lock_file_of_a_living_process_stays(bench: Bench, hands: FileExecutor) -> None:
    lock = bench.world / "service.pid"
    lock.write_text(f"{os.getpid()}\n")
    outcome = perform(hands, "file.remove", bench.journal(), path=str(lock))
    assert outcome.state is StepState.REFUSED
    assert "alive" in outcome.why
    lock.write_text("999999999\n")
    assert perform(hands, "file.remove", bench.journal(), path=str(lock)).state is StepState.DONE


def test_a_full_disk_fails_and_leaves_nothing(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "file"
    file.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        outcome = perform(hands, "file.write", bench.journal(), path=str(file), content="x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.state is StepState.FAILED
    assert file.read_text() == "before"
    assert [path.name for path in bench.world.iterdir()] == ["file"]


def test_a_mode_that_would_lock_grace_out_is_refused(
    bench: Bench, hands: FileExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.world / "file"
    file.write_text("readable")
    owner = 4321 if os.getuid() == 0 else os.getuid()
    os.chown(file, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    action = hands.actions["file.chmod"]
    parameters = action.spec.parameters(path=str(file), mode="0111")
    outcome = action.apply(parameters, bench.journal())
    assert outcome.state is StepState.REFUSED
    assert "could not read" in outcome.why
    assert file.stat().st_mode & 0o777 != 0o111


def test_a_tree_is_removed_only_when_that_was_said(bench: Bench, hands: FileExecutor) -> None:
    tree = bench.world / "cache"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    assert perform(hands, "file.remove", bench.journal(), path=str(tree)).state is StepState.REFUSED
    provider = FilesProvider(bench.surroundings)
    kept = taken(provider.take(file_target(tree), bench.vault))
    journal = bench.journal()
    assert perform(hands, "file.remove", journal, path=str(tree), recursive=True).state is StepState.DONE
    assert list(bench.world.iterdir()) == []
    assert provider.restore(kept, None, journal.changes, bench.vault).state is RestoreState.EQUAL
    assert (tree / "deep" / "file").read_text() == "x"


def test_a_removal_removes_the_symlink_and_not_what_it_points_to(bench: Bench, hands: FileExecutor) -> None:
    (bench.world / "real").write_text("stays")
    (bench.world / "link").symlink_to("real")
    assert perform(hands, "file.remove", bench.journal(), path=str(bench.world / "link")).state is StepState.DONE
    assert [path.name for path in bench.world.iterdir()] == ["real"]


def test_without_a_handle_nothing_was_done(bench: Bench, hands: FileExecutor) -> None:
    for name, action in hands.actions.items():
        more = {
            "file.write": {"content": "x"},
            "file.replace_text": {"old": "a", "new": "b"},
            "file.set_value": {"key": "a", "value": 1},
            "file.chmod": {"mode": "0600"},
            "file.remove": {},
        }[name]
        parameters = action.spec.parameters.model_validate({"path": str(bench.world / "file"), **more})
        assert action.probe(parameters, None) is Applied.NO


def test_the_probe_tells_ours_from_before_and_from_others(bench: Bench, hands: FileExecutor) -> None:
    file = bench.world / "file"
    file.write_text("before")
    action = hands.actions["file.write"]
    parameters = action.spec.parameters(path=str(file), content="ours")
    journal = bench.journal()
    found: list[Applied] = []
    arm("executor.file.write.before_rename", 1, lambda: found.append(action.probe(parameters, journal.handle)))
    action.apply(parameters, journal)
    disarm()
    found.append(action.probe(parameters, journal.handle))
    file.write_text("theirs")
    found.append(action.probe(parameters, journal.handle))
    assert found == [Applied.NO, Applied.YES, Applied.UNKNOWN]


YAML = """\
# The pool of the orders service.
database:
    path:   /var/lib/orders.db   # do not move
    pool: {size: 5, "timeout": '3s'}
flags: [a, b]
port: 8080
"""


@pytest.mark.parametrize(
    ("name", "text", "key", "value", "expected"),
    [
        ("a.yaml", YAML, "database.pool.size", 50, YAML.replace("size: 5", "size: 50")),
        ("a.yml", YAML, "database.path", "/x y", YAML.replace("/var/lib/orders.db ", '"/x y" ')),
        ("a.yaml", YAML, "database.pool.timeout", "off", YAML.replace("'3s'", '"off"')),
        ("a.yaml", YAML, "flags.1", None, YAML.replace("b]", "null]")),
        ("a.yaml", YAML, "port", "0644", YAML.replace("8080", '"0644"')),
        ("a.json", '{"a": {"b":1},\n  "c": "x"}\n', "a.b", 2.5, '{"a": {"b":2.5},\n  "c": "x"}\n'),
        ("a.json", '{"a": "\\u00fc", "c": true}', "c", 'q"', '{"a": "\\u00fc", "c": "q\\""}'),
        (
            "a.ini",
            "; top\n[one]\nkey = 1\nKey = 2\n[two]\nkey=3\n",
            "two.key",
            4,
            "; top\n[one]\nkey = 1\nKey = 2\n[two]\nkey=4\n",
        ),
        ("a.toml", 'a = 1 # one\n[s.t]\nb = "x"\n', "a", 2, 'a = 2 # one\n[s.t]\nb = "x"\n'),
        ("a.toml", 'a = 1\n[s.t]\nb = "x" # why\n', "s.t.b", "y", 'a = 1\n[s.t]\nb = "y" # why\n'),
    ],
)
def test_one_value_changes_and_everything_else_stays(
    bench: Bench, hands: FileExecutor, name: str, text: str, key: str, value: object, expected: str
) -> None:
    file = bench.world / name
    file.write_text(text)
    outcome = perform(hands, "file.set_value", bench.journal(), path=str(file), key=key, value=value)
    assert outcome.state is StepState.DONE, outcome.why
    assert file.read_text() == expected


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.conf", "hunter2canary\n", "line 1"),
        ("a.ini", "[a]\nhunter2canary\n", "line 2"),
        ("a.json", '{"a": hunter2canary}', "line 1, column 7"),
        ("a.yaml", "hunter2canary: 1\nhunter2canary: 2\n", "line 2, column 1"),
        ("a.yml", "a: *hunter2canary\n", "line 1, column 4"),
        ("a.toml", "[hunter2canary]\n[hunter2canary]\n", "line 2"),
    ],
)
def test_a_file_that_does_not_parse_is_told_by_its_place_alone(
    bench: Bench, hands: FileExecutor, name: str, text: str, place: str
) -> None:
    file = bench.world / name
    file.write_text(text)
    outcome = perform(hands, "file.set_value", bench.journal(), path=str(file), key="a", value=1)
    assert outcome.state is StepState.REFUSED
    assert place in outcome.why
    assert "hunter2canary" not in outcome.why


@pytest.mark.parametrize(
    ("name", "text", "key", "value", "says"),
    [
        ("a.txt", "a: 1", "a", 2, "none of"),
        ("a.yaml", "a: 1\na: 2\n", "a", 3, "cannot be edited"),
        ("a.yaml", "a: [", "a", 3, "cannot be edited"),
        ("a.yaml", "a: |\n  text\n", "a", "x", "no single value"),
        ("a.yaml", "a: &x 1\nb: *x\n", "a", 2, "cannot be edited"),
        ("a.json", "{'a': 1}", "a", 2, "cannot be edited"),
        ("a.ini", "[s]\nk = 1\n", "s.k", "2\n[evil]\nx = 1", "cannot be replaced in place"),
        ("a.toml", 'a = """\nx"""\n', "a", "y", "cannot be"),
        ("a.toml", "a = 1\n", "a", None, "no null"),
        ("a.json", '{"a": 1}', "a", float("nan"), "cannot be replaced in place"),
    ],
)
def test_a_value_that_cannot_be_set_safely_is_refused(
    bench: Bench, hands: FileExecutor, name: str, text: str, key: str, value: object, says: str
) -> None:
    file: Path = bench.world / name
    file.write_text(text)
    outcome = perform(hands, "file.set_value", bench.journal(), path=str(file), key=key, value=value)
    assert outcome.state is StepState.REFUSED
    assert says in outcome.why
    assert file.read_text() == text
