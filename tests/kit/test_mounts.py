import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from grace.kit.filesystem import fitness
from grace.kit.filesystem.mounts import is_mount_point, mount_points
from grace.kit.filesystem.paths import NotExactError, Rule
from grace.kit.filesystem.scan import scan
from grace.kit.filesystem.survey import Scope


@pytest.fixture
def folder(tmp_path: Path) -> Generator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_every_mount_point_is_below_the_root_and_its_own() -> None:
    points = mount_points(Path("/"))
    assert Path("/proc") in points
    assert all(point in mount_points(point) for point in points)
    assert all(os.path.ismount(point) for point in points if point.exists())


def test_a_place_beside_a_mount_point_holds_none(tmp_path: Path) -> None:
    assert mount_points(Path("/proc").with_name("pro")) == ()
    assert mount_points(tmp_path) == ()


def test_what_is_mounted_there_and_what_is_not_can_be_told_by_name(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/proc")
    named = ("/proc", "file", "link")
    assert [is_mount_point(folder, name) for name in named] == [True, False, False]


def test_of_a_name_at_which_nothing_stands_the_kernel_says_nothing(folder: int) -> None:
    assert is_mount_point(folder, "gone") is None


@pytest.mark.root
@pytest.mark.parametrize("kernel_tells", [True, False])
def test_a_file_that_another_one_is_mounted_over_is_refused_as_long_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kernel_tells: bool
) -> None:
    if not kernel_tells:
        monkeypatch.setattr(fitness, "is_mount_point", _told_nothing)
    place = tmp_path.resolve() / "a" / "named"
    place.parent.mkdir()
    for path in (place, tmp_path / "other"):
        path.write_text(path.name)
    assert scan(place, Scope())[""].size == len("named")
    subprocess.run(["mount", "--bind", tmp_path / "other", place], check=True)
    moved = place.parent.with_name("moved") / "named"
    place.parent.rename(moved.parent)
    try:
        with pytest.raises(NotExactError) as refused:
            scan(moved, Scope())
    finally:
        subprocess.run(["umount", moved], check=True)
    assert refused.value.rule == Rule.MOUNT
    assert scan(moved, Scope())[""].size == len("named")


def _told_nothing(_folder: int, _name: str) -> None:
    return None
