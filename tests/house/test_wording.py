"""Errors of libraries reach people through one door: `grace.kit.wording`."""

from __future__ import annotations

import re

from tests.house.source import GRACE, modules

RAW = re.compile(r"\[[\"']msg[\"']\]|Value error, |errors\.pydantic\.dev|sqlalche\.me")
THE_DOOR = {"grace/kit/wording.py", "grace/kit/parsing.py"}


def test_nobody_tells_the_raw_words_of_a_library() -> None:
    raw = {module.name for module in modules(GRACE) if RAW.search(module.path.read_text(encoding="utf-8"))}
    assert raw <= THE_DOOR
