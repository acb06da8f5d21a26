"""As which user GRACE acts, and what it refuses as root."""

from __future__ import annotations

import os

import pytest

from grace.doctor.rights import Rights
from grace.model.examination import Health


@pytest.mark.parametrize(
    ("user", "allows", "health", "says"),
    [
        (0, False, Health.WARNING, "every plan that ends or signals a process is refused"),
        (0, True, Health.OK, "GRACE_ALLOW_PROCESS_CONTROL_AS_ROOT"),
        (1000, False, Health.OK, "its own processes"),
    ],
)
def test_it_says_as_which_user_and_what_root_may_not(
    monkeypatch: pytest.MonkeyPatch, user: int, allows: bool, health: Health, says: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    (result,) = Rights(allows).checks()
    assert result.health is health
    assert says in result.found
    assert ("GRACE_ALLOW" in result.next) == (health is Health.WARNING)
