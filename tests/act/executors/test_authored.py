"""Actions written as Python functions: what a copy shows is what is done, and every mistake is told where it stands."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from grace.act.executors import Action, Applied
from grace.act.executors.authored import authored
from grace.act.executors.finding import ActionsFlawedError, actions_in
from grace.act.safehold.providers.files import FilesProvider
from grace.authoring.action import (
    AbsolutePath,
    ActionInvalidError,
    Compensable,
    DeclaredAction,
    Exact,
    Field,
    File,
    Irreversible,
    RefusedError,
    Thing,
    Unknown,
    action,
)
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.model.execution import StepState
from grace.model.plan import Reversibility
from grace.model.snapshot import RestoreState
from grace.model.target import Target
from grace.model.warrant import Refusal
from tests.act.workbench import HOST, Bench, file_target, taken

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "actions"
BACK = {RestoreState.EQUAL, RestoreState.UNTOUCHED}


def on_files(act: Callable[[Path], None], is_done: bool | Unknown = False) -> DeclaredAction:
    """Return an exact action on one path that does this to it."""

    @action(
        "scratch.change",
        summary="Change",
        reversibility=Exact(snapshot="files"),
        target=File("path"),
        blast_radius="one path",
    )
    def change(path: AbsolutePath) -> None:
        act(Path(path))

    @change.already_done
    def changed(path: AbsolutePath) -> bool | Unknown:  # pyright: ignore[reportUnusedFunction]
        return is_done

    return change


def on_things(act: Callable[[], None], is_done: Callable[[], Any] = lambda: False) -> DeclaredAction:
    """Return an irreversible action on a queue."""

    @action(
        "queue.drain",
        summary="Drain",
        reversibility=Irreversible(),
        target=Thing("queue", "name"),
        blast_radius="one queue",
    )
    def drain(name: Annotated[str, Field(min_length=1, max_length=50)]) -> None:
        act()

    @drain.already_done
    def drained() -> bool | Unknown:  # pyright: ignore[reportUnusedFunction]
        return is_done()

    return drain


def made(bench: Bench, declared: DeclaredAction) -> Action:
    return authored(bench.workplace, [declared]).actions[declared.spec.name]


def write_new(path: Path) -> None:
    path.write_text("new")


def leave(_path: Path) -> None:
    """Change nothing."""


def at(one: Action, path: Path) -> Any:
    return one.spec.parameters.model_validate({"path": str(path)})


def state(world: Path) -> object:
    """Return every object; the time of the world's own folder, which is in no scope, does not count."""
    return {path: entry for path, entry in scan(world, Scope()).items() if path}


def mutate(chance: random.Random, path: Path) -> None:
    """Change a folder in every way that a program may."""
    for _ in range(chance.randint(1, 6)):
        entries = sorted(one for one in path.rglob("*") if one.exists() or one.is_symlink())
        folders = [path, *(one for one in entries if one.is_dir() and not one.is_symlink())]
        inside = chance.choice(folders) / f"new-{chance.randint(0, 9)}"
        one = chance.choice(entries) if entries else inside
        match chance.randint(0, 6):
            case 0:
                _replaced(inside).write_bytes(chance.randbytes(20))
            case 1:
                _replaced(inside).mkdir()
                inside.chmod(chance.choice([0o700, 0o755, 0o2750]))
            case 2:
                _replaced(inside).symlink_to("nowhere")
            case 3:
                _replaced(one)
            case 4 if one.is_file() and not one.is_symlink():
                one.write_bytes(b"changed" + chance.randbytes(3))
            case 5 if not one.is_symlink() and one.exists():
                one.chmod(chance.choice([0o700, 0o711, 0o755]))
            case _ if not one.is_symlink() and one.exists():
                os.setxattr(one, "user.changed", chance.randbytes(4))
            case _:
                pass


def _replaced(one: Path) -> Path:
    if one.is_dir() and not one.is_symlink():
        shutil.rmtree(one)
    else:
        one.unlink(missing_ok=True)
    return one


def populate(world: Path, chance: random.Random) -> Path:
    folder = world / "scratch"
    for number in range(chance.randint(0, 6)):
        place = folder / chance.choice(["", "one", "one/two"])
        place.mkdir(parents=True, exist_ok=True)
        (place / f"file-{number}").write_bytes(chance.randbytes(30))
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    "seeds", [range(20), *(pytest.param(range(n, n + 45), marks=pytest.mark.slow) for n in range(20, 200, 45))]
)
def test_random_changes_are_made_as_on_the_copy_and_undone_exactly(bench: Bench, seeds: range) -> None:
    provider = FilesProvider(bench.surroundings)
    for seed in seeds:
        world = bench.world / f"w-{seed}"
        world.mkdir()
        folder = populate(world, random.Random(seed))
        one = made(bench, on_files(lambda path, seed=seed: mutate(random.Random(seed + 1), path)))
        before, parameters, journal = state(world), at(one, folder), bench.journal()
        expected = one.predict(parameters)
        assert not isinstance(expected, Refusal), expected
        kept = taken(provider.take(file_target(folder), bench.vault))
        assert one.apply(parameters, journal).state is StepState.DONE, seed
        assert told(folder, expected) == expected["changes"], seed
        assert (state(world) == before) == (expected["count"] == 0), seed
        assert provider.restore(kept, None, journal.changes, bench.vault).state in BACK, seed
        assert state(world) == before, seed


def told(folder: Path, expected: Any) -> object:
    """Return of each object that was to change what is there now, as a prediction tells it."""
    now = scan(folder, Scope())
    found = {path: now.get("" if path == "." else path) for path in expected["changes"]}
    return {
        path: entry
        and {"kind": entry.kind.value, "mode": f"{entry.mode:04o}", "bytes": entry.size, "sha256": entry.sha256}
        for path, entry in found.items()
    }


def test_planning_tries_it_on_a_copy_and_leaves_the_original_and_no_copy(bench: Bench) -> None:
    (bench.world / "a").write_text("old")
    one = made(bench, on_files(write_new))
    predicted = one.predict(at(one, bench.world / "a"))

    assert not isinstance(predicted, Refusal)
    assert predicted["count"] == 1
    assert (bench.world / "a").read_text() == "old"
    assert list((bench.workplace.folder / "copies").iterdir()) == []


def test_a_raise_on_the_copy_writes_nothing_and_says_where(bench: Bench) -> None:
    def fail(path: Path) -> None:
        path.write_text("new")
        message = "no"
        raise ValueError(message)

    (bench.world / "a").write_text("old")
    one, journal = made(bench, on_files(fail)), bench.journal()
    outcome = one.apply(at(one, bench.world / "a"), journal)

    assert outcome.state is StepState.REFUSED
    assert "ValueError: no (test_authored.py:" in outcome.why
    assert journal.notes == []
    assert (bench.world / "a").read_text() == "old"
    assert isinstance(one.predict(at(one, bench.world / "a")), Refusal)


def test_what_somebody_changes_meanwhile_is_theirs(bench: Bench) -> None:
    (bench.world / "a").write_text("old")
    one, journal = made(bench, on_files(write_new)), bench.journal()

    def theirs() -> None:
        (bench.world / "a").write_text("theirs")

    journal.on_note = theirs
    outcome = one.apply(at(one, bench.world / "a"), journal)

    assert outcome.state is StepState.REFUSED
    assert "somebody else" in outcome.why
    assert (bench.world / "a").read_text() == "theirs"


def test_a_file_with_several_names_is_refused(bench: Bench) -> None:
    (bench.world / "f").mkdir()
    (bench.world / "f" / "a").write_text("x")
    os.link(bench.world / "f" / "a", bench.world / "f" / "b")
    one = made(bench, on_files(lambda path: (path / "a").unlink()))
    no = one.predict(at(one, bench.world / "f"))

    assert isinstance(no, Refusal)
    assert "several names" in no.why


@pytest.mark.parametrize(("is_done", "expected"), [(True, Applied.YES), (False, Applied.UNKNOWN)])
def test_an_exact_deed_is_done_only_when_the_world_and_the_authors_probe_say_so(
    bench: Bench, is_done: bool, expected: Applied
) -> None:
    (bench.world / "a").write_text("old")
    declared = on_files(write_new)
    one, journal = made(bench, declared), bench.journal()
    parameters = at(one, bench.world / "a")
    assert one.apply(parameters, journal).state is StepState.DONE
    again = made(bench, on_files(leave, is_done=is_done))

    assert again.probe(parameters, journal.handle) is expected
    assert made(bench, on_files(leave, Unknown(why="?"))).probe(parameters, journal.handle) is (Applied.UNKNOWN)


@pytest.mark.parametrize(
    ("answer", "applied"),
    [
        (lambda: True, Applied.YES),
        (lambda: False, Applied.NO),
        (lambda: Unknown(why="nobody knows"), Applied.UNKNOWN),
        (lambda: 1, Applied.UNKNOWN),
        (lambda: None, Applied.UNKNOWN),
        (lambda: 1 / 0, Applied.UNKNOWN),
    ],
)
def test_unknown_and_nonsense_are_never_taken_as_done(
    bench: Bench, answer: Callable[[], Any], applied: Applied
) -> None:
    calls: list[int] = []
    one = made(bench, on_things(lambda: calls.append(1), answer))
    parameters: Any = one.spec.parameters.model_validate({"name": "q"})

    assert one.probe(parameters, {"begun": True}) is applied
    assert one.probe(parameters, None) is Applied.NO
    assert one.apply(parameters, bench.journal()).state is StepState.DONE
    assert len(calls) == (0 if applied is Applied.YES else 1)


def test_a_raise_in_the_world_leaves_open_what_happened_and_a_refusal_does_not(bench: Bench) -> None:
    def raising(error: Exception) -> Callable[[], None]:
        def act() -> None:
            raise error

        return act

    parameters: Any = made(bench, on_things(lambda: None)).spec.parameters.model_validate({"name": "q"})
    journal = bench.journal()
    open_ended = made(bench, on_things(raising(OSError("gone")))).apply(parameters, journal)

    assert open_ended.state is StepState.UNKNOWN
    assert journal.handle == {"begun": True}
    refused = made(bench, on_things(raising(RefusedError("it is busy", "Wait.")))).apply(parameters, bench.journal())
    assert (refused.state, refused.why) == (StepState.REFUSED, "it is busy Wait.")


def test_a_thing_is_locked_by_its_name(bench: Bench) -> None:
    one = made(bench, on_things(lambda: None))

    assert one.targets(one.spec.parameters.model_validate({"name": "q"})) == (Target(kind="queue", host=HOST, id="q"),)
    assert one.spec.reversibility is Reversibility.IRREVERSIBLE
    assert one.predict(one.spec.parameters.model_validate({"name": "q"})) == {"calls": "queue.drain"}


def test_nobody_calls_an_action_but_the_gate() -> None:
    with pytest.raises(TypeError, match="performed by the gate alone"):
        on_things(lambda: None)("q")


def test_copies_that_a_killed_process_left_behind_go_at_the_next_start(bench: Bench) -> None:
    left = bench.workplace.folder / "copies" / "tmp1"
    left.mkdir(parents=True)
    authored(bench.workplace, [])

    assert not left.exists()


HEAD = "from grace.authoring.action import *\nfrom typing import Annotated\n"
DECLARED = '@action("a.b", summary="s", reversibility={way}, target={target}, blast_radius="one")\n'
GOOD = DECLARED.format(way='Exact(snapshot="files")', target='File("path")')
DONE = "\n@f.already_done\ndef _(path: AbsolutePath) -> bool:\n    return True\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (GOOD + "def f(path: AbsolutePath) -> None: ...\n", 3, "no already_done"),
        (GOOD + "def f(path) -> None: ...\n" + DONE, 3, "has no type"),
        (GOOD + "def f(*path: str) -> None: ...\n" + DONE, 3, "has no name"),
        (GOOD + "def f(where: AbsolutePath) -> None: ...\n" + DONE, 3, "'path', which it does not have"),
        (GOOD + "def f(path: int) -> None: ...\n" + DONE, 3, "is no text"),
        (GOOD + "def f(path: 'Nowhere') -> None: ...\n" + DONE, 3, "cannot be read"),
        (GOOD + "def f(path: AbsolutePath) -> int: ...\n" + DONE, 3, "returns something"),
        (GOOD + "async def f(path: AbsolutePath) -> None: ...\n" + DONE, 3, "asynchronous"),
        (GOOD.replace("a.b", "ab") + "def f(path: AbsolutePath) -> None: ...\n" + DONE, 3, "no name of an action"),
        (GOOD.replace('"s"', '""') + "def f(path: AbsolutePath) -> None: ...\n" + DONE, 3, "says not what"),
        (
            DECLARED.format(way='Exact(snapshot="sqlite")', target='File("path")')
            + "def f(path: AbsolutePath) -> None: ...\n"
            + DONE,
            3,
            "a copy can be made of files alone",
        ),
        (
            DECLARED.format(way='Exact(snapshot="files")', target='Thing("queue", "path")')
            + "def f(path: AbsolutePath) -> None: ...\n"
            + DONE,
            3,
            "its target is no file",
        ),
        (
            DECLARED.format(way="Compensable()", target='Thing("Queue!", "path")')
            + "def f(path: AbsolutePath) -> None: ...\n"
            + DONE,
            3,
            "no kind of target",
        ),
        (GOOD + "def f(path: AbsolutePath) -> None: ...\n" + DONE + DONE, 10, "two already_done"),
        (GOOD + "def f(path: AbsolutePath) -> None: ...\n" + DONE.replace("path:", "pth:"), 6, "takes 'pth'"),
        ("x = 1\n", 1, "declares no action"),
        ("import no_such_module\n", 3, "No module named"),
        ("def f(:\n", 3, "no Python"),
    ],
)
def test_each_mistake_of_an_author_is_told_at_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    (tmp_path / "mine.py").write_text(HEAD + text)
    with pytest.raises(ActionsFlawedError) as raised:
        actions_in([tmp_path], (), ())
    (flaw,) = raised.value.flaws

    assert (flaw.file, flaw.line) == (str(tmp_path / "mine.py"), line), flaw
    assert said in flaw.message
    assert flaw.next or flaw.rule == "syntax"


def test_a_name_that_is_taken_and_a_folder_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ActionsFlawedError, match=r"another action cache\.flush"):
        actions_in([EXAMPLES], (), ["cache.flush"])
    with pytest.raises(ActionsFlawedError, match="no such folder of actions"):
        actions_in([tmp_path / "absent"], (), ())


def test_a_module_that_was_installed_gives_its_actions() -> None:
    flush, *others = actions_in([EXAMPLES], (), ())

    assert others == []
    assert actions_in((), [flush], ()) == (flush,)


def test_compensable_is_what_the_catalogue_says() -> None:
    @action("a.b", summary="s", reversibility=Compensable(), target=Thing("queue", "name"), blast_radius="b")
    def pause(name: str) -> None: ...

    assert pause.spec.reversibility is Reversibility.COMPENSABLE
    with pytest.raises(ActionInvalidError, match="no already_done"):
        _ = pause.probe
