import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.act.safehold.providers.files import FilesProvider
from grace.kit.cuts import arm, disarm
from grace.kit.filesystem.entries import Kind, Tree
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope
from grace.model.reading import Unknown
from grace.model.snapshot import RestoreState
from grace.model.warrant import Refusal
from tests.act.safehold.trees import grow, mutate
from tests.act.workbench import Bench, file_target, taken

SEEDS = st.integers(min_value=0, max_value=2**32)


def write(file: Path) -> None:
    file.write_text("written while it was read")


@pytest.fixture
def provider(bench: Bench) -> FilesProvider:
    return FilesProvider(bench.surroundings)


def made(folder: Path) -> tuple[Bench, FilesProvider, Path]:
    bench = Bench(folder)
    return bench, FilesProvider(bench.surroundings), bench.world / "tree"


def digest(provider: FilesProvider, path: Path) -> str:
    found = provider.digest(file_target(path))
    assert isinstance(found, str), found
    return found


def but_for_times_of_folders(tree: Path) -> Tree:
    """Return a state in which the times of folders do not count: they tell of work inside, which is told by itself."""
    found = scan(tree, Scope())
    return {path: replace(one, mtime_ns=0) if one.kind is Kind.FOLDER else one for path, one in found.items()}


@given(seed=SEEDS, changes=st.integers(min_value=1, max_value=6))
@settings(max_examples=200)
def test_our_changes_to_a_tree_are_undone_exactly(
    tmp_path_factory: pytest.TempPathFactory, seed: int, changes: int
) -> None:
    chance = random.Random(seed)
    bench, provider, tree = made(tmp_path_factory.mktemp("world"))
    tree.mkdir()
    grow(tree, chance)
    kept = taken(provider.take(file_target(tree), bench.vault))
    for _ in range(changes):
        mutate(tree, chance)
    ours = digest(provider, tree)
    end = provider.restore(kept, ours, (), bench.vault)
    assert end.state in {RestoreState.EQUAL, RestoreState.UNTOUCHED}, end.difference
    assert digest(provider, tree) == kept.digest


@given(seed=SEEDS)
@settings(max_examples=200)
def test_changes_of_others_stay_or_stop_the_undo(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    bench, provider, tree = made(tmp_path_factory.mktemp("world"))
    tree.mkdir()
    grow(tree, chance)
    kept = taken(provider.take(file_target(tree), bench.vault))
    before = but_for_times_of_folders(tree)
    mutate(tree, chance)
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    ours = digest(provider, tree)
    mutate(tree, chance)
    theirs = digest(provider, tree)
    end = provider.restore(kept, ours, (change,), bench.vault)
    match end.state:
        case RestoreState.FOREIGN:
            assert digest(provider, tree) == theirs
            assert end.difference
        case RestoreState.EQUAL | RestoreState.UNTOUCHED:
            again = provider.restore(kept, ours, (change,), bench.vault)
            assert again.state is RestoreState.UNTOUCHED
            assert but_for_times_of_folders(tree) == before or end.difference
        case RestoreState.FAILED:
            pytest.fail(end.difference)


def test_an_entry_that_others_added_beside_ours_stays(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    tree.mkdir()
    (tree / "ours").write_text("before")
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "ours").write_text("after")
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    (tree / "theirs").write_text("precious")
    stamp = tree.stat().st_mtime_ns
    end = provider.restore(kept, None, (change,), bench.vault)
    assert end.state is RestoreState.EQUAL
    assert (tree / "ours").read_text() == "before"
    assert (tree / "theirs").read_text() == "precious"
    assert tree.stat().st_mtime_ns == stamp
    assert "theirs" in end.difference


def test_a_file_that_others_put_into_our_folder_keeps_the_folder(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    tree.mkdir()
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "made").mkdir()
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    (tree / "made" / "theirs").write_text("precious")
    end = provider.restore(kept, None, (change,), bench.vault)
    assert end.state is RestoreState.FOREIGN
    assert (tree / "made" / "theirs").read_text() == "precious"


def test_a_foreign_edit_is_shown_without_its_secrets(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "app.conf"
    file.write_text("level = info\n")
    kept = taken(provider.take(file_target(file), bench.vault))
    file.write_text("level = debug\n")
    ours = digest(provider, file)
    file.write_text("level = warn\npassword = hunter2\n")
    end = provider.restore(kept, ours, (), bench.vault)
    assert end.state is RestoreState.FOREIGN
    assert "level = warn" in end.difference
    assert "hunter2" not in end.difference
    assert file.read_text() == "level = warn\npassword = hunter2\n"


def test_without_knowing_what_ours_was_nothing_is_overwritten(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "file"
    file.write_text("before")
    kept = taken(provider.take(file_target(file), bench.vault))
    file.write_text("whose is this?")
    assert provider.restore(kept, None, (), bench.vault).state is RestoreState.FOREIGN
    assert file.read_text() == "whose is this?"


def test_every_attribute_comes_back(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "file"
    file.write_bytes(b"\0\xff" * 100)
    file.chmod(0o4711)
    os.setxattr(file, "user.origin", b"\0bytes")
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))
    kept = taken(provider.take(file_target(file), bench.vault))
    file.unlink()
    file.write_text("other")
    assert provider.restore(kept, digest(provider, file), (), bench.vault).state is RestoreState.EQUAL
    status = file.stat()
    assert file.read_bytes() == b"\0\xff" * 100
    assert status.st_mode & 0o7777 == 0o4711
    assert status.st_mtime_ns == 1_234_567_890_123_456_789
    assert os.getxattr(file, "user.origin") == b"\0bytes"


@pytest.mark.root
def test_the_owner_comes_back(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "file"
    file.write_text("theirs")
    os.chown(file, 1234, 4321)
    kept = taken(provider.take(file_target(file), bench.vault))
    os.chown(file, 0, 0)
    file.write_text("ours")
    assert provider.restore(kept, digest(provider, file), (), bench.vault).state is RestoreState.EQUAL
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_what_was_not_there_goes_again(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "new"
    kept = taken(provider.take(file_target(file), bench.vault))
    assert kept.facts == {"kind": "absent"}
    file.write_text("ours")
    assert provider.restore(kept, digest(provider, file), (), bench.vault).state is RestoreState.EQUAL
    assert not file.exists()


def test_a_symlink_is_kept_and_never_followed(bench: Bench, provider: FilesProvider) -> None:
    outside = bench.folder / "outside"
    outside.write_text("not in scope")
    link = bench.world / "link"
    link.symlink_to(outside)
    kept = taken(provider.take(file_target(link), bench.vault))
    link.unlink()
    link.write_text("now a file")
    assert provider.restore(kept, digest(provider, link), (), bench.vault).state is RestoreState.EQUAL
    assert link.readlink() == outside
    assert outside.read_text() == "not in scope"


def test_a_folder_on_the_way_that_became_a_symlink_stops_everything(bench: Bench, provider: FilesProvider) -> None:
    folder = bench.world / "folder"
    folder.mkdir()
    (folder / "file").write_text("before")
    target = file_target(folder / "file")
    kept = taken(provider.take(target, bench.vault))
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("another file")
    folder.rename(bench.world / "moved")
    folder.symlink_to(elsewhere)
    assert isinstance(provider.digest(target), Unknown)
    assert provider.restore(kept, kept.digest, (), bench.vault).state is RestoreState.FAILED
    assert (elsewhere / "file").read_text() == "another file"


@pytest.mark.parametrize("points_to", ["nowhere", "loop", "y" * 1000, "../elsewhere", "/"])
def test_a_folder_that_others_replaced_by_a_symlink_stops_the_undo_and_is_not_gone_through(
    bench: Bench, provider: FilesProvider, points_to: str
) -> None:
    tree = bench.world / "tree"
    (tree / "folder" / "inner").mkdir(parents=True)
    (bench.world / "elsewhere" / "inner").mkdir(parents=True)
    (tree / "folder" / "inner" / "ours").write_text("before")
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "folder" / "inner" / "ours").write_text("after")
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    shutil.rmtree(tree / "folder")
    (tree / "folder").symlink_to(points_to)
    (tree / "loop").symlink_to("loop")
    theirs = digest(provider, bench.world)
    end = provider.restore(kept, None, (change,), bench.vault)
    assert end.state is RestoreState.FOREIGN, end
    assert digest(provider, bench.world) == theirs


def test_names_and_links_that_are_no_utf8_come_back(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    (tree / os.fsdecode(b"d\xff")).mkdir(parents=True)
    odd = tree / os.fsdecode(b"d\xff") / os.fsdecode(b"\xfe name")
    odd.write_text("here")
    (tree / "link").symlink_to(os.fsdecode(b"\xfd"))
    kept = taken(provider.take(file_target(tree), bench.vault))
    odd.unlink()
    (tree / "link").unlink()
    assert provider.restore(kept, digest(provider, tree), (), bench.vault).state is RestoreState.EQUAL
    assert odd.read_text() == "here"


def test_hard_links_inside_the_scope_are_linked_again(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "one").write_text("shared")
    os.link(tree / "deep" / "one", tree / "other")
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "other").unlink()
    (tree / "other").write_text("alone")
    assert provider.restore(kept, digest(provider, tree), (), bench.vault).state is RestoreState.EQUAL
    assert (tree / "other").samefile(tree / "deep" / "one")


def refusal(found: object) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


def test_a_hard_link_that_reaches_outside_is_refused(bench: Bench, provider: FilesProvider) -> None:
    (bench.world / "tree").mkdir()
    (bench.world / "tree" / "inside").write_text("x")
    os.link(bench.world / "tree" / "inside", bench.world / "outside")
    for path in (bench.world / "tree", bench.world / "tree" / "inside"):
        assert refusal(provider.take(file_target(path), bench.vault)).rule == "files.hard_link"


def test_special_files_are_refused(bench: Bench, provider: FilesProvider) -> None:
    os.mkfifo(bench.world / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(bench.world / "socket"))
        for name in ("pipe", "socket", ""):
            found = provider.take(file_target(bench.world / name), bench.vault)
            assert refusal(found).rule == "files.special"


@pytest.mark.parametrize("name", ["app.db", "empty"])
def test_a_database_is_refused(bench: Bench, provider: FilesProvider, name: str) -> None:
    subprocess.run(
        ["python3", "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('create table t(x)')", name],
        cwd=bench.world,
        check=True,
    )
    for path in (bench.world / name, bench.world, bench.world / f"{name}-wal"):
        assert refusal(provider.take(file_target(path), bench.vault)).rule == "files.database"


def test_the_folder_of_another_database_server_is_refused(bench: Bench, provider: FilesProvider) -> None:
    (bench.world / "PG_VERSION").write_text("15")
    assert refusal(provider.take(file_target(bench.world), bench.vault)).rule == "files.database"


@pytest.mark.parametrize("scope", [".", "grace", "grace/vault", "grace/new"])
def test_graces_own_state_is_outside_of_every_scope(bench: Bench, provider: FilesProvider, scope: str) -> None:
    found = provider.take(file_target((bench.folder / scope).resolve()), bench.vault)
    assert refusal(found).rule == "files.control_plane"


@pytest.mark.root
def test_a_mount_inside_is_refused(bench: Bench, provider: FilesProvider) -> None:
    inside = bench.world / "mounted"
    inside.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inside)], check=True)
    try:
        assert refusal(provider.take(file_target(bench.world), bench.vault)).rule == "files.mount"
    finally:
        subprocess.run(["umount", str(inside)], check=True)


def test_what_is_too_large_is_refused_before_it_is_read(bench: Bench) -> None:
    provider = FilesProvider(bench.surroundings, Scope(most_bytes=1000, most_objects=5))
    with (bench.world / "huge").open("wb") as file:
        file.truncate(10**12)
    assert refusal(provider.take(file_target(bench.world / "huge"), bench.vault)).rule == "files.too_large"
    for number in range(6):
        (bench.world / str(number)).touch()
    assert refusal(provider.take(file_target(bench.world), bench.vault)).rule == "files.too_many"


def test_a_file_that_never_rests_is_refused(bench: Bench, provider: FilesProvider, busy: Path) -> None:
    for nth in range(1, 4):
        arm("filesystem.scan.read", nth, lambda: write(busy))
    assert refusal(provider.take(file_target(busy), bench.vault)).rule == "files.changing"
    assert list(bench.vault.addresses()) == []


def test_a_file_that_rests_again_is_kept_as_it_is_then(bench: Bench, provider: FilesProvider, busy: Path) -> None:
    arm("filesystem.scan.read", 1, lambda: write(busy))
    kept = taken(provider.take(file_target(busy), bench.vault))
    assert kept.digest == digest(provider, busy)


@pytest.fixture
def busy(bench: Bench) -> Iterator[Path]:
    file = bench.world / "busy"
    file.write_text("before")
    os.utime(file, ns=(1, 1))
    yield file
    disarm()


def test_a_damaged_snapshot_touches_nothing(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(os.urandom(300_000))
    (tree / "small").write_text("before")
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "small").write_text("after")
    (tree / "large").write_bytes(b"after")
    ours = digest(provider, tree)
    for address in bench.vault.addresses():
        file = bench.own / "vault" / address.removeprefix("vault:")
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert provider.restore(kept, ours, (), bench.vault).state is RestoreState.FAILED
        assert digest(provider, tree) == ours
        file.write_bytes(whole)
    assert provider.restore(kept, ours, (), bench.vault).state is RestoreState.EQUAL


def test_large_files_are_kept_in_pieces(bench: Bench, provider: FilesProvider) -> None:
    tree = bench.world / "tree"
    tree.mkdir()
    contents = {"one": os.urandom(5_000_000), "two": os.urandom(70_000), "three": b"", "four": os.urandom(4_200_000)}
    for name, content in contents.items():
        (tree / name).write_bytes(content)
    kept = taken(provider.take(file_target(tree), bench.vault))
    for name in contents:
        (tree / name).write_bytes(b"gone")
    assert provider.restore(kept, digest(provider, tree), (), bench.vault).state is RestoreState.EQUAL
    assert {name: (tree / name).read_bytes() for name in contents} == contents


def test_a_rehearsal_writes_nothing(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "file"
    file.write_text("before")
    kept = taken(provider.take(file_target(file), bench.vault))
    file.write_text("after")
    ours = digest(provider, file)
    end = provider.restore(kept, ours, (), bench.vault, rehearse=True)
    assert end.state is RestoreState.EQUAL
    assert digest(provider, file) == ours


def test_a_record_of_another_kind_stops_the_undo(bench: Bench, provider: FilesProvider) -> None:
    file = bench.world / "file"
    file.write_text("before")
    kept = taken(provider.take(file_target(file), bench.vault))
    file.write_text("after")
    end = provider.restore(kept, digest(provider, file), ("sqlite:rubbish",), bench.vault)
    assert end.state is RestoreState.FAILED
    assert file.read_text() == "after"


def test_a_name_whose_file_others_have_moved_stops_the_undo_before_it_begins(
    bench: Bench, provider: FilesProvider
) -> None:
    tree = bench.world / "tree"
    tree.mkdir()
    (tree / "a").write_text("shared")
    (tree / "b").hardlink_to(tree / "a")
    (tree / "c").write_text("alone")
    kept = taken(provider.take(file_target(tree), bench.vault))
    (tree / "b").unlink()
    (tree / "b").write_text("ours")
    (tree / "c").unlink()
    (tree / "c").hardlink_to(tree / "a")
    change = provider.change_since(kept, bench.vault)
    assert isinstance(change, str)
    ours = digest(provider, tree)
    (tree / "a").rename(tree / "moved")
    theirs = digest(provider, tree)
    end = provider.restore(kept, ours, (change,), bench.vault)
    assert end.state is RestoreState.FOREIGN, end.difference
    assert (
        end.difference
        == "b: somebody changed or took what it needs, its folder or the file that it was another name of"
    )
    assert digest(provider, tree) == theirs
