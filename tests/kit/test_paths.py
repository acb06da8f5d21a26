import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from grace.kit.filesystem.paths import is_within, mount_points

NAMES = st.sampled_from(["a", "ab", "b", "b c"])
PATHS = st.lists(NAMES, max_size=4).map(lambda names: Path("/", *names))


@given(PATHS, PATHS)
def test_a_path_is_within_itself_and_its_parents(path: Path, folder: Path) -> None:
    assert is_within(path, folder) == (path == folder or folder in path.parents)


def test_every_mount_point_is_below_the_root_and_its_own() -> None:
    points = mount_points(Path("/"))
    assert Path("/proc") in points
    assert all(point in mount_points(point) for point in points)
    assert all(os.path.ismount(point) for point in points if point.exists())


def test_a_place_beside_a_mount_point_holds_none(tmp_path: Path) -> None:
    assert mount_points(Path("/proc").with_name("pro")) == ()
    assert mount_points(tmp_path) == ()
