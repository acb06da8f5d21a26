import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.filesystem.paths import NotExactError, Rule, is_within, opened_folder, real_path

NAMES = st.sampled_from(["a", "ab", "b", "b c"])
PATHS = st.lists(NAMES, max_size=4).map(lambda names: Path("/", *names))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder `a/b`, a file, a symlink to the folder, one to nothing, one to itself, and an odd name."""
    root = tmp_path_factory.mktemp("tree").resolve()
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "file").touch()
    (root / "c (deleted)").mkdir()
    for name, target in (("link", "a"), ("gone", "nothing"), ("loop", "loop")):
        (root / name).symlink_to(target)
        (root / "a" / name).symlink_to(f"../{target}")
    return root


@given(PATHS, PATHS)
def test_a_path_is_within_itself_and_its_parents(path: Path, folder: Path) -> None:
    assert is_within(path, folder) == (path == folder or folder in path.parents)


@given(st.lists(st.sampled_from(["a", "b", "file", "link", "loop", "gone", "..", ".", "c (deleted)"]), max_size=5))
def test_the_real_path_is_the_one_that_the_standard_library_finds(tree: Path, names: list[str]) -> None:
    written = "/".join([str(tree), *names])
    assert real_path(written) == os.path.realpath(written)
    assert real_path(f"{written}/") == os.path.realpath(f"{written}/")


def test_a_real_folder_is_opened_and_one_behind_a_symlink_is_refused(tree: Path) -> None:
    for folder in (Path("/"), tree / "a" / "b", tree / "c (deleted)"):
        with opened_folder(folder) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), folder.stat())
    for folder in (tree / "link", tree / "link" / "b", tree / "gone", tree / "a" / "file"):
        with pytest.raises(NotExactError) as refused, opened_folder(folder):
            pass
        assert refused.value.rule == Rule.PATH_MOVED


def test_a_folder_is_opened_also_where_the_kernel_does_not_name_it(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "readlink", _unreadable)
    with opened_folder(tree / "a") as descriptor:
        assert os.path.samestat(os.fstat(descriptor), (tree / "a").stat())
    with pytest.raises(NotExactError), opened_folder(tree / "link"):
        pass


def _unreadable(path: str) -> str:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
