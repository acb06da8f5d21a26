"""The doctor: looks at what GRACE needs of machine, folder, record, files and services, and says what to fix.

A check is a function that returns results and changes nothing. One file for each kind of check. What a check cannot
look at is `unknown` with a reason. A check writes nothing but one file without a name, which is gone when it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from grace.model.examination import CheckResult

Check = Callable[[], Iterable[CheckResult]]
"""Looks at one kind of thing. What it knows is bound to it when the doctor is put together."""


def examine(checks: Iterable[Check]) -> tuple[CheckResult, ...]:
    """Run every check in its order."""
    return tuple(result for check in checks for result in check())
