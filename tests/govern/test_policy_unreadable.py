"""A policy file that cannot be read is never passed over: it may have held a forbid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grace.govern.policy.rules import PolicyInvalidError, read_rules
from grace.shipped import shipped_folder
from tests.govern.plans import DEEDS

SCHEMA = shipped_folder("policies") / "grace.cedarschema"


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _looping(path: Path) -> None:
    path.symlink_to(path.name)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [_dangling, _looping, _endless, _pipe, _folder])
def test_it_is_told_and_no_rule_is_in_force(tmp_path: Path, make: object) -> None:
    (tmp_path / "a.cedar").write_text((shipped_folder("policies") / "grace.cedar").read_text())
    assert callable(make)
    make(tmp_path / "forbid.cedar")
    with pytest.raises(PolicyInvalidError, match=r"forbid\.cedar: cannot be read"):
        read_rules([tmp_path], SCHEMA, DEEDS)
