"""The way from a named path to the place it means: every symlink is found where it stands."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.filesystem.paths import NotExactError, Rule
from grace.kit.filesystem.survey import Scope
from grace.kit.filesystem.ways import digest_along, require_keepable, way_to

SCOPE = Scope()


def test_a_path_without_links_is_its_own_way(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert way_to(str(file)).places == (file,)


def test_a_chain_of_links_is_found_link_by_link(tmp_path: Path) -> None:
    file, middle, first = tmp_path / "c", tmp_path / "b", tmp_path / "a"
    file.write_text("x")
    middle.symlink_to(file)
    first.symlink_to("b")
    assert way_to(str(first)).places == (file, first, middle)


def test_a_link_whose_text_leads_through_other_links_names_them_too(tmp_path: Path) -> None:
    release = tmp_path / "r1"
    (release / "etc").mkdir(parents=True)
    (release / "etc" / "app.conf").write_text("x")
    (tmp_path / "current").symlink_to("r1")
    (tmp_path / "app.conf").symlink_to("r1/../current/./etc//app.conf")
    way = way_to(str(tmp_path / "app.conf"))
    assert way.real == release / "etc" / "app.conf"
    assert way.links == (tmp_path / "app.conf", tmp_path / "current")


def test_a_link_to_nothing_leads_to_where_a_file_may_be_made(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("absent")
    assert way_to(str(tmp_path / "dangling")).places == (tmp_path / "absent", tmp_path / "dangling")


def test_a_link_inside_the_folder_it_leads_to_is_part_of_that_folder(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(".")
    way = way_to(str(tmp_path / "self"))
    assert way.links == (tmp_path / "self",)
    assert way.places == (tmp_path,)


def test_a_link_whose_place_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    odd.symlink_to("file")
    (tmp_path / "link").symlink_to(odd)
    with pytest.raises(NotExactError, match="UTF-8"):
        way_to(str(tmp_path / "link"))


def test_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(NotExactError, match="in a circle") as refused:
        way_to(str(tmp_path / "a"))
    assert refused.value.rule is Rule.LINK


@given(st.lists(st.sampled_from(["a", "b", "c", "a/b", "../a", "./c", "b/../c", "x"]), min_size=3, max_size=3))
def test_a_way_ends_where_the_kernel_ends(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    world = tmp_path_factory.mktemp("ways")
    (world / "x").mkdir()
    for name, text in zip("abc", texts, strict=True):
        (world / name).symlink_to(text)
    try:
        kernel = Path(os.path.realpath(world / "a", strict=True))
    except OSError:
        return
    way = way_to(str(world / "a"))
    assert way.real == kernel
    assert all(link.is_symlink() and link.parent == Path(os.path.realpath(link.parent)) for link in way.links)


def test_what_reads_under_a_name_differs_when_a_link_on_the_way_does(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, ns=(0, 0))
    link = tmp_path / "link"
    link.symlink_to("one")
    os.utime(link, ns=(0, 0), follow_symlinks=False)
    before = digest_along(way_to(str(link)), SCOPE)
    assert digest_along(way_to(str(link)), SCOPE) == before
    link.unlink()
    link.symlink_to("two")
    os.utime(link, ns=(0, 0), follow_symlinks=False)
    assert digest_along(way_to(str(link)), SCOPE) != before


def test_a_link_that_the_kernel_makes_up_cannot_be_kept() -> None:
    with pytest.raises(NotExactError, match="the kernel makes up") as refused:
        require_keepable(way_to("/proc/self/cwd/file"), ())
    assert refused.value.way_out == f"Name {Path.cwd() / 'file'} instead, in the command too."


def test_a_link_among_what_belongs_to_grace_cannot_be_kept(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "file").write_text("x")
    (own / "link").symlink_to(tmp_path / "file")
    with pytest.raises(NotExactError) as refused:
        require_keepable(way_to(str(own / "link")), (own,))
    assert refused.value.rule is Rule.CONTROL_PLANE


def test_a_link_with_a_second_name_elsewhere_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.link(tmp_path / "link", tmp_path / "other", follow_symlinks=False)
    with pytest.raises(NotExactError, match="hard link") as refused:
        require_keepable(way_to(str(tmp_path / "link")), ())
    assert refused.value.way_out == f"Name {tmp_path / 'file'} instead, in the command too."


def _may_write_but_in(closed: Path, place: Path, _mode: int, *, effective_ids: bool) -> bool:
    assert effective_ids
    return place != closed


def test_a_link_in_a_folder_that_may_not_be_written_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "link").symlink_to("../file")
    closed.chmod(0o500)
    if os.geteuid() == 0:  # Root may write everywhere: then what others are told is said in their place.
        monkeypatch.setattr(os, "access", partial(_may_write_but_in, closed))
    try:
        with pytest.raises(NotExactError, match="may not write in"):
            require_keepable(way_to(str(closed / "link")), ())
    finally:
        closed.chmod(0o700)
