"""Command lines as the demonstration shows them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.demo.telling import deed, found_line
from grace.model.plan import Found


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/usr/bin/python3 /srv/demo/hold_lock.py /srv/demo/orders.db", "python3 hold_lock.py orders.db"),
        ("/opt/my\\ python/python3 '/srv/my shop/hold.py'", "python3 hold.py"),
        ("/usr/bin/python3 '/srv/shop/hold it.py' / a/b", "python3 'hold it.py' / a/b"),
        ("postgres: checkpointer", "postgres: checkpointer"),
        ("/usr/bin/python3 'cut in the midd", "/usr/bin/python3 'cut in the midd"),
        ("", ""),
    ],
)
def test_a_process_is_shown_with_its_command_line_without_folders(command: str, shown: str) -> None:
    found = Found(id="holder", uses="process.lock_holder", result={"pid": 7, "command": command})
    assert found_line(found) == f"holder: process 7 `{shown}` (process.lock_holder)"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_the_words_of_a_deed_stay_apart(argv: list[str]) -> None:
    said = deed("command.run", {"argv": [*argv]}).removeprefix("command.run ")
    assert len(shlex.split(said)) == len(argv)
