"""What is no regular file is refused at once: a pipe would hang its reader, a device never ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grace.kit.filesystem.plain import read_plain


def test_a_regular_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "file") == read_plain(tmp_path / "link", most_bytes=3) == b"abc"


def test_what_is_no_file_or_too_long_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "long").write_bytes(b"abcd")
    (tmp_path / "loop").symlink_to("loop")
    for name, why in (("pipe", "no regular file"), ("zero", "no regular file"), (".", "folder"), ("long", "more than")):
        with pytest.raises(OSError, match=why):
            read_plain(tmp_path / name, most_bytes=3)
    for name in ("loop", "none"):
        with pytest.raises(OSError, match=r"loop|none"):
            read_plain(tmp_path / name)
