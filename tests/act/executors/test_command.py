import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from grace.act.executors import Applied, Gathers
from grace.act.executors.command import CommandExecutor, build
from grace.act.executors.launching import Launch, Launched, end_unwatched
from grace.kit.cuts import arm, disarm
from grace.kit.procfs import is_alive, process_stat
from grace.model.execution import Outcome, StepState
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.executors.crashing import crash_at, cuts_of
from tests.act.workbench import HOST, Bench, KeptJournal, parsed, perform

USES = "command.run"
PATIENCE = {"patience": 0.2}
CANARY = "password=canary-hunter2"


@pytest.fixture
def hands(bench: Bench) -> CommandExecutor:
    return CommandExecutor(bench.workplace)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


def run(hands: CommandExecutor, journal: KeptJournal, *argv: object, **more: object) -> Outcome:
    return perform(hands, USES, journal, argv=[str(word) for word in argv], **{**PATIENCE, **more})


def probe(hands: CommandExecutor, handle: Mapping[str, JsonValue] | None, *argv: object, **more: object) -> Applied:
    action = hands.actions[USES]
    words = [str(word) for word in argv]
    return action.probe(action.spec.parameters.model_validate({"argv": words, **PATIENCE, **more}), handle)


def shell(script: str, *words: object) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "sh", *(str(word) for word in words))


def appears(path: Path) -> str:
    """Wait until a program has written a line to a file; the test's own limit of time ends a vain wait."""
    while not path.exists() or not path.read_text().endswith("\n"):
        time.sleep(0.01)
    return path.read_text()


def goes(pid: int, started_at: int) -> None:
    while is_alive(pid, started_at):
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def leftovers(bench: Bench) -> list[str]:
    handles = bench.workplace.folder
    return [path.name for path in handles.iterdir()] if handles.exists() else []


def test_a_command_that_ends_as_expected_is_done(bench: Bench, hands: CommandExecutor) -> None:
    journal = bench.journal()
    done = run(hands, journal, *shell("pwd; echo $1; echo oops >&2", "a b"), cwd=str(bench.world))
    assert done.state is StepState.DONE, done.why
    assert done.output["stdout"] == f"{bench.world}\na b"
    assert done.output["stderr"] == "oops"
    assert done.output["exit_code"] == 0
    assert bench.vault.get(str(done.output["stdout_kept"])) == f"{bench.world}\na b\n".encode()
    assert leftovers(bench) == []


def test_nothing_of_a_shell_is_understood(bench: Bench, hands: CommandExecutor) -> None:
    done = run(hands, bench.journal(), "echo", "$HOME;", "`id`", "*", "> /x")
    assert done.output["stdout"] == "$HOME; `id` * > /x"


@pytest.mark.parametrize(
    ("script", "more", "state", "says"),
    [
        ("exit 3", {}, StepState.FAILED, "exit code 3, expected 0"),
        ("exit 3", {"expect_exit": [0, 3]}, StepState.DONE, ""),
        ("kill -9 $$", {}, StepState.FAILED, "ended by signal 9"),
        ("exec sleep 60", {"timeout": 0.05}, StepState.UNKNOWN, "did not end within 0.05 s"),
        ("trap '' TERM; while :; do sleep 1; done", {"timeout": 0.05}, StepState.UNKNOWN, "did not end"),
    ],
)
def test_how_it_ended_is_held_against_what_was_expected(
    bench: Bench, hands: CommandExecutor, script: str, more: dict[str, object], state: StepState, says: str
) -> None:
    journal = bench.journal()
    outcome = run(hands, journal, *shell(script), **more)
    assert outcome.state is state
    assert says in outcome.why
    expected = Applied.YES if state is StepState.DONE else Applied.UNKNOWN
    assert probe(hands, journal.handle, *shell(script), **more) is expected


def test_a_command_runs_only_once_its_name_is_on_the_record(bench: Bench, hands: CommandExecutor) -> None:
    seen: list[tuple[bool, bool]] = []
    mark = bench.world / "mark"
    journal = bench.journal()

    def look() -> None:
        handle = journal.handle or {}
        pid, started_at = handle["pid"], handle["started_at"]
        assert isinstance(pid, int)
        assert isinstance(started_at, int)
        seen.append((is_alive(pid, started_at), mark.exists()))

    arm("executor.command.run.noted", 1, look)
    done = run(hands, journal, *shell("echo $$ > $1", mark))
    assert done.state is StepState.DONE
    assert seen == [(True, False)]
    assert mark.read_text().strip() == str((journal.handle or {})["pid"])


def test_a_record_that_cannot_be_written_keeps_the_command_from_running(bench: Bench, hands: CommandExecutor) -> None:
    journal = bench.journal()
    mark = bench.world / "mark"

    def fail() -> None:
        message = "the record is closed"
        raise RuntimeError(message)

    journal.on_note = fail
    with pytest.raises(RuntimeError, match="closed"):
        run(hands, journal, "/usr/bin/touch", mark)
    assert not mark.exists()
    assert probe(hands, journal.handle, "/usr/bin/touch", mark) is Applied.NO


@pytest.mark.parametrize(("content", "mode"), [("#!/no/such/interpreter\n", 0o755), ("no program", 0o755)])
def test_a_program_that_cannot_start_has_done_nothing(
    bench: Bench, hands: CommandExecutor, content: str, mode: int
) -> None:
    program = bench.world / "program"
    program.write_text(content)
    program.chmod(mode)
    journal = bench.journal()
    outcome = run(hands, journal, program)
    assert outcome.state is StepState.FAILED
    assert "cannot be run" in outcome.why
    assert probe(hands, journal.handle, program) is Applied.NO


@pytest.mark.parametrize("detached", ["", "setsid"])
def test_what_a_command_leaves_running_is_ended_with_it(bench: Bench, hands: CommandExecutor, detached: str) -> None:
    mark = bench.world / "mark"
    script = f"{detached} sh -c 'echo $$ > \"$1\"; exec sleep 60' sh $1 >/dev/null 2>&1 & while ! [ -s $1 ]; do :; done"
    done = run(hands, bench.journal(), *shell(script, mark))
    assert done.state is StepState.DONE, done.why
    assert not alive(int(mark.read_text()))
    assert done.output["left"] == []


def test_what_may_stay_is_left_and_named(bench: Bench, hands: CommandExecutor) -> None:
    script = "setsid sleep 60 >/dev/null 2>&1 & echo $!"
    done = run(hands, bench.journal(), *shell(script), leaves_running=True)
    assert done.state is StepState.DONE
    left = int(str(done.output["stdout"]))
    try:
        assert done.output["left"] == [left]
        assert alive(left)
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_late_command_is_ended_with_its_children(bench: Bench, hands: CommandExecutor) -> None:
    mark = bench.world / "mark"
    script = "trap '' TERM; sleep 60 & echo $! > $1; wait; sleep 60"
    outcome = run(hands, bench.journal(), *shell(script, mark), timeout=0.3)
    assert outcome.state is StepState.UNKNOWN
    assert not alive(int(mark.read_text()))


def test_a_command_gets_no_input_no_terminal_and_a_session_of_its_own(bench: Bench, hands: CommandExecutor) -> None:
    program = (
        "import os, signal, sys; print(repr(sys.stdin.read()), os.getsid(0) == os.getpid() == os.getpgid(0),"
        " sorted(map(int, os.listdir('/proc/self/fd')))[:3], signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)"
    )
    done = run(hands, bench.journal(), sys.executable, "-I", "-c", program)
    assert done.output["stdout"] == "'' True [0, 1, 2] True"


def test_a_command_gets_the_variables_it_was_promised_and_no_others(bench: Bench) -> None:
    bench.environment = {"REGION": "north", "HIDDEN": "x", "DB_PASSWORD": "correct horse"}
    hands = CommandExecutor(bench.workplace)
    done = run(
        hands, bench.journal(), "/usr/bin/env", environment=["REGION", "DB_PASSWORD"], variables={"LEVEL": "debug"}
    )
    lines = dict(line.split("=", 1) for line in str(done.output["stdout"]).splitlines())
    assert set(lines) == {"PATH", "LANG", "HOME", "REGION", "DB_PASSWORD", "LEVEL"}
    assert (lines["REGION"], lines["LEVEL"]) == ("north", "debug")
    refused = run(hands, bench.journal(), "/usr/bin/env", environment=["ABSENT"])
    assert refused.state is StepState.REFUSED
    assert "ABSENT" in refused.why


def test_secrets_do_not_show_in_what_is_reported(bench: Bench) -> None:
    bench.environment = {"API_TOKEN": "plain-words"}
    hands = CommandExecutor(bench.workplace)
    journal = bench.journal()
    done = run(hands, journal, *shell('echo "<$API_TOKEN>"; echo password=hunter2 >&2'), environment=["API_TOKEN"])
    shown = str(done) + str(journal.notes)
    assert "<[redacted]>" in shown
    assert "plain-words" not in shown
    assert "hunter2" not in shown
    assert bench.vault.get(str(done.output["stdout_kept"])) == b"<plain-words>\n"


def test_output_is_kept_up_to_its_limit_and_never_stops_the_command(bench: Bench, hands: CommandExecutor) -> None:
    script = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789012345678; i=$((i+1)); done"
    done = run(hands, bench.journal(), *shell(script), output_limit=1000)
    assert done.state is StepState.DONE
    assert done.output["output_bytes"] == 150_000
    assert len(bench.vault.get(str(done.output["stdout_kept"]))) == 1000
    assert len(str(done.output["stdout"])) < 5000


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"argv": []},
        {"argv": "echo hello"},
        {"argv": ["/bin/echo", "a\0b"]},
        {"argv": ["/bin/echo"], "cwd": "relative"},
        {"argv": ["/bin/echo"], "timeout": 0},
        {"argv": ["/bin/echo"], "timeout": "2h"},
        {"argv": ["/bin/echo"], "expect_exit": []},
        {"argv": ["/bin/echo"], "expect_exit": [256]},
        {"argv": ["/bin/echo"], "target": "/usr/bin/env"},
        {"argv": ["/bin/echo"], "variables": {"LD_PRELOAD": "/tmp/x.so"}},
        {"argv": ["/bin/echo"], "environment": ["PYTHONPATH"]},
        {"argv": ["/bin/echo"], "environment": ["GRACE_TOKEN"]},
        {"argv": ["/bin/echo"], "variables": {"not a name": "x"}},
        {"argv": ["/bin/echo"], "shell": True},
    ],
)
def test_parameters_out_of_bounds_are_refused(hands: CommandExecutor, parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parsed(hands.actions[USES], **parameters)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"argv": ["no-such-program-anywhere"]}, "command.program"),
        ({"argv": ["bin/echo"]}, "command.program"),
        ({"argv": ["/etc/passwd"]}, "command.program"),
        ({"argv": ["/bin"]}, "command.program"),
        ({"argv": ["/bin/echo"], "cwd": "/etc/passwd"}, "command.cwd"),
        ({"argv": ["/bin/echo"], "writes": ["/no/such/folder/file"]}, "path.folder"),
    ],
)
def test_what_cannot_be_run_is_refused_while_planning(
    hands: CommandExecutor, parameters: dict[str, object], rule: str
) -> None:
    action = hands.actions[USES]
    read = action.spec.parameters.model_validate(parameters)
    for told in (action.targets(read), action.predict(read)):
        assert isinstance(told, Refusal)
        assert told.rule == rule


def test_a_command_that_names_graces_own_state_is_refused(bench: Bench, hands: CommandExecutor) -> None:
    inside = bench.own / "vault.key"
    (bench.world / "alias").symlink_to(bench.own)
    for parameters in (
        {"argv": ["/bin/cat", str(inside)]},
        {"argv": ["/bin/cat", str(bench.world / "alias" / "vault.key")]},
        {"argv": ["/bin/cat", "../grace/vault.key"], "cwd": str(bench.world)},
        {"argv": ["/bin/dd", f"of={inside}"]},
        {"argv": ["/bin/sh", "-c", f"rm -r {bench.own}"]},
        {"argv": ["/bin/pwd"], "cwd": str(bench.own)},
        {"argv": ["/bin/true"], "writes": [str(inside)]},
        {"argv": ["/bin/true"], "writes": [str(bench.folder)]},
        {"argv": ["/bin/true"], "variables": {"WHERE": str(inside)}},
    ):
        outcome = perform(hands, USES, bench.journal(), **parameters)
        assert outcome.state is StepState.REFUSED, parameters
        assert "control_plane" in outcome.why
    beside = {"argv": ["/bin/echo", f"{bench.own}-other"]}
    assert perform(hands, USES, bench.journal(), **beside).state is StepState.DONE


def test_a_reference_that_was_never_filled_in_does_not_reach_a_program(bench: Bench, hands: CommandExecutor) -> None:
    journal = bench.journal()
    outcome = run(hands, journal, "/bin/echo", "${{ do.write.path }}")
    assert outcome.state is StepState.REFUSED
    assert journal.notes == []


def test_the_target_is_what_was_declared_else_the_real_program(bench: Bench, hands: CommandExecutor) -> None:
    action = hands.actions[USES]
    (bench.world / "link").symlink_to("/bin/echo")
    plain = action.spec.parameters(argv=(str(bench.world / "link"),))
    assert action.targets(plain) == (Target(kind="command", host=HOST, id=os.path.realpath("/bin/echo")),)
    named = action.spec.parameters(argv=("echo",), target="service:orders", writes=(str(bench.world / "file"),))
    assert action.targets(named) == (
        Target(kind="command", host=HOST, id="service:orders"),
        Target(kind="file", host=HOST, id=str(bench.world / "file")),
    )


def test_planning_touches_nothing(bench: Bench, hands: CommandExecutor) -> None:
    mark = bench.world / "mark"
    action = hands.actions[USES]
    predicted = action.predict(action.spec.parameters(argv=("touch", str(mark), "--password=hunter2")))
    assert not isinstance(predicted, Refusal)
    assert predicted["program"] == "/usr/bin/touch"
    assert "hunter2" not in str(predicted)
    assert not mark.exists()
    assert leftovers(bench) == []


def test_without_a_handle_nothing_was_done(hands: CommandExecutor) -> None:
    assert probe(hands, None, "/bin/true") is Applied.NO
    assert probe(hands, {"something": "else"}, "/bin/true") is Applied.UNKNOWN


def test_a_launcher_that_is_killed_takes_the_command_with_it(bench: Bench, hands: CommandExecutor) -> None:
    journal = bench.journal()
    mark = bench.world / "mark"

    def kill() -> None:
        appears(mark)
        launcher = (journal.handle or {})["launcher_pid"]
        assert isinstance(launcher, int)
        os.kill(launcher, signal.SIGKILL)

    arm("executor.command.run.released", 1, kill)
    words = shell("sleep 60 & echo $! > $1; wait", mark)
    outcome = run(hands, journal, *words)
    assert outcome.state is StepState.UNKNOWN
    assert probe(hands, journal.handle, *words) is Applied.UNKNOWN
    child = int(mark.read_text())
    while alive(child):
        time.sleep(0.01)


def test_what_a_killed_launcher_left_running_is_ended_at_the_next_start(bench: Bench) -> None:
    mark = bench.world / "mark"
    folder = bench.workplace.folder / "command_X"
    folder.mkdir(parents=True)
    words = shell("sleep 60 & echo $! > $1; wait", mark)
    with Launch(
        {
            "program": "/bin/sh",
            "argv": list(words),
            "cwd": "/",
            "environment": {"PATH": "/usr/bin:/bin"},
            "folder": str(folder),
            "timeout_s": 60,
            "patience_s": 0.2,
            "most_bytes": 100,
            "leaves_running": False,
        }
    ) as launch:
        launch.let_go()
        child = int(appears(mark))
        os.kill(launch.launched.launcher_pid, signal.SIGKILL)
        launch.wait()
        goes(launch.launched.pid, launch.launched.started_at)
        assert alive(child)
        build(bench.workplace)
        while alive(child):
            time.sleep(0.01)


def test_a_session_that_belongs_to_somebody_else_by_now_is_spared() -> None:
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as other:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        reused = Launched(
            folder="x", pid=other.pid, started_at=1, launcher_pid=other.pid, launcher_started_at=1, boot=boot
        )
        assert end_unwatched(reused) == ()
        assert other.poll() is None
        other.kill()


def _left(bench: Bench, name: str, **differing: object) -> Path:
    """Make what a command leaves in a folder of its own when GRACE is killed."""
    folder = bench.workplace.folder / name
    folder.mkdir(parents=True)
    launched = {"folder": name, "pid": 2**22, "started_at": 1, "launcher_pid": 2**22, "launcher_started_at": 1}
    (folder / "running.json").write_text(json.dumps({**launched, "boot": "another", **differing}))
    (folder / "stdout").write_text(CANARY)
    return folder


def _under_way(*names: str) -> Callable[[], Sequence[Mapping[str, JsonValue]]]:
    return lambda: [{"folder": name} for name in names]


def test_a_start_removes_what_commands_left_that_no_open_run_asks_for(bench: Bench) -> None:
    for name in ("command_needed", "command_settled"):
        _left(bench, name)
    (bench.workplace.folder / "command_cut_off").mkdir()
    (bench.workplace.folder / "of somebody else").mkdir()
    build(replace(bench.workplace, under_way=_under_way("command_needed")))
    assert sorted(leftovers(bench)) == ["command_needed", "of somebody else"]


def test_nothing_is_removed_where_nobody_knows_which_runs_are_open(bench: Bench) -> None:
    _left(bench, "command_settled")
    build(bench.workplace)
    assert leftovers(bench) == ["command_settled"]


def test_the_files_of_a_command_that_is_still_watched_stay(bench: Bench) -> None:
    stat = process_stat(os.getpid())
    assert stat is not None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    _left(bench, "command_runs", launcher_pid=os.getpid(), launcher_started_at=stat.started_at, boot=boot)
    build(replace(bench.workplace, under_way=_under_way()))
    assert leftovers(bench) == ["command_runs"]


def _gather(bench: Bench, handle: Mapping[str, JsonValue], words: Sequence[str]) -> KeptJournal:
    """Do what a recovery does, and tell what it noted after what stood."""
    journal = KeptJournal(bench.vault, [dict(handle)])
    action = CommandExecutor(bench.workplace).actions[USES]
    assert isinstance(action, Gathers)
    action.gather(action.spec.parameters.model_validate({"argv": list(words), **PATIENCE}), handle, journal)
    return journal


@pytest.mark.slow
def test_a_crash_at_any_point_leaves_one_effect_at_most_and_no_orphan(bench: Bench, tmp_path: Path) -> None:
    counter = bench.world / "count"
    parameters: dict[str, object] = {"argv": list(shell("echo once >> $1", counter)), **PATIENCE}
    answers: dict[str, Applied] = {}
    for cut in cuts_of(bench, USES, parameters):
        counter.unlink(missing_ok=True)
        place = tmp_path / cut
        place.mkdir()
        handle = crash_at(cut, place, USES, parameters)
        hands = build(Bench(place).workplace)
        words = shell("echo once >> $1", counter)
        answers[cut] = probe(hands, handle, *words)
        if handle is not None:
            gathered = _gather(Bench(place), handle, words)
            assert leftovers(Bench(place)) == [], cut
            assert probe(hands, gathered.handle, *words) is answers[cut], cut
        times = len(counter.read_text().splitlines()) if counter.exists() else 0
        match answers[cut]:
            case Applied.NO:
                assert times == 0, cut
            case Applied.YES:
                assert times == 1, cut
            case Applied.UNKNOWN:
                assert times <= 1, cut
        if handle is not None:
            launched = Launched.model_validate({name: handle[name] for name in Launched.model_fields})
            assert not is_alive(launched.pid, launched.started_at), cut
            goes(launched.launcher_pid, launched.launcher_started_at)
    assert answers["executor.command.run.before_note"] is Applied.NO
    assert answers["executor.command.run.noted"] is Applied.NO
    assert answers["executor.command.run.ended"] is Applied.YES
    assert answers["executor.command.run.end_noted"] is Applied.YES


@pytest.mark.slow
def test_a_command_that_runs_when_grace_is_killed_is_ended_and_its_effect_is_unknown(bench: Bench) -> None:
    mark = bench.world / "mark"
    script = """
        trap 'echo asked >> "$1"; exit 0' TERM
        echo $$ > "$1"
        kill -9 "$(cut -d' ' -f4 "/proc/$PPID/stat")"
        while :; do sleep 0.01; done
    """
    words = shell(script, mark)
    handle = crash_at("no cut: the command does it", bench.folder, USES, {"argv": list(words), "patience": 30})
    assert probe(build(bench.workplace), handle, *words, patience=30) is Applied.UNKNOWN
    pid, asked = mark.read_text().splitlines()
    assert asked == "asked"
    assert not alive(int(pid))


@pytest.mark.slow
@pytest.mark.parametrize("again_at", [None, "executor.command.run.end_noted"])
def test_what_a_command_wrote_when_grace_was_killed_is_kept_encrypted_alone(bench: Bench, again_at: str | None) -> None:
    script = """
        trap 'exit 0' TERM
        echo "$0"
        kill -9 "$(cut -d' ' -f4 "/proc/$PPID/stat")"
        while :; do sleep 0.01; done
    """
    words = ("/bin/sh", "-c", script, CANARY)
    handle = crash_at("no cut: the command does it", bench.folder, USES, {"argv": list(words), "patience": 30})
    assert handle is not None
    hands = build(replace(bench.workplace, under_way=lambda: [handle]))
    assert probe(hands, handle, *words, patience=30) is Applied.UNKNOWN
    assert canary_under(bench.own)
    if again_at is not None:
        handle = _killed_while_gathering(bench, handle, words, again_at)
        assert canary_under(bench.own), "the second kill came before anything was removed"
        assert probe(hands, handle, *words, patience=30) is Applied.UNKNOWN
    gathered = _gather(bench, handle, words).handle or {}
    assert bench.vault.get(str(gathered["stdout_kept"])) == f"{CANARY}\n".encode()
    assert gathered["how"] == "abandoned"
    assert probe(hands, gathered, *words, patience=30) is Applied.UNKNOWN
    assert canary_under(bench.own) == []
    assert CANARY not in str(gathered)


@pytest.mark.slow
def test_what_a_command_wrote_whose_launcher_was_killed_is_kept_encrypted_alone(bench: Bench) -> None:
    journal = bench.journal()
    mark = bench.world / "mark"

    def kill() -> None:
        appears(mark)
        place = bench.workplace.folder / str((journal.handle or {})["folder"]) / "stdout"
        while CANARY not in place.read_text():
            time.sleep(0.01)
        os.kill(int(str((journal.handle or {})["launcher_pid"])), signal.SIGKILL)

    arm("executor.command.run.released", 1, kill)
    outcome = run(
        hands := CommandExecutor(bench.workplace), journal, *shell("echo $2; echo x > $1; sleep 60", mark, CANARY)
    )
    assert outcome.state is StepState.UNKNOWN
    assert bench.vault.get(str((journal.handle or {})["stdout_kept"])) == f"{CANARY}\n".encode()
    assert probe(hands, journal.handle, "/bin/true") is Applied.UNKNOWN
    assert leftovers(bench) == []


def _killed_while_gathering(
    bench: Bench, handle: dict[str, JsonValue], words: Sequence[str], cut: str
) -> dict[str, JsonValue]:
    """Gather up to a cut, and return what is noted then; the files stay as the second kill would leave them."""

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    journal = KeptJournal(bench.vault, [dict(handle)])
    action = CommandExecutor(bench.workplace).actions[USES]
    assert isinstance(action, Gathers)
    arm(cut, 1, kill)
    with pytest.raises(Killed):
        action.gather(action.spec.parameters.model_validate({"argv": list(words), **PATIENCE}), handle, journal)
    return journal.handle or {}


def canary_under(folder: Path) -> list[Path]:
    """Return the files below a folder that hold the secret in plain."""
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
