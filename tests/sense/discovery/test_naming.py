from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.sense.discovery.naming import as_name, is_own, is_system, service_name, told_command


@pytest.mark.parametrize(
    ("argv", "cwd", "name"),
    [
        (["python", "notes.py"], "/srv/x", "notes"),
        (["/usr/bin/python3.11", "-X", "dev", "/srv/notes/app.py"], "/", "notes"),
        (["python3", "-m", "http.server", "8000"], "/srv/x", "http"),
        (["python3", "-m", "shop.web"], "/srv/x", "shop"),
        (["python3", "/v/bin/gunicorn", "-w", "4", "shop.wsgi:app"], "/", "shop"),
        (["gunicorn: master [shop.wsgi:app]"], "/", "shop"),
        (["uvicorn", "app.main:app"], "/srv/orders", "orders"),
        (["node", "server.js"], "/srv/billing/src", "billing"),
        (["java", "-jar", "/opt/b/billing.jar"], "/", "billing"),
        (["java", "-cp", "a.jar", "com.acme.Till"], "/", "till"),
        (["nginx: master process /usr/sbin/nginx -g daemon off;"], "/", "nginx"),
        (["/opt/My Shop/Shop Server"], "/", "shop-server"),
        (["/usr/sbin/apache2 -k start"], "/", "apache2"),
        (["bash", "-c", "secret stuff"], "/", "bash"),
    ],
)
def test_a_service_is_called_what_its_team_would_call_it(argv: list[str], cwd: str, name: str) -> None:
    assert service_name(argv, cwd) == name


@given(st.lists(st.text(st.characters(blacklist_characters="\0"), min_size=1), min_size=1), st.text())
def test_every_command_line_gives_a_name_that_the_file_takes(argv: list[str], cwd: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,62}", service_name(argv, f"/{cwd}"))


@given(st.text())
def test_words_become_a_name(words: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,62}", as_name(words))


@pytest.mark.parametrize(
    "argv",
    [
        ["redis-server", "--requirepass", "hunter2"],
        ["python", "app.py", "--password=hunter2"],
        ["curl", "-u", "bob:hunter2"],
        ["python", "-c", "password='hunter2'"],
        ["java", "-Dpw=hunter2", "-jar", "a.jar"],
        ["node", "postgres://u:hunter2@h/db"],
        ["python", "KEY=hunter2"],
    ],
)
def test_no_argument_of_a_command_line_is_told(argv: list[str]) -> None:
    assert "hunter2" not in told_command(argv)
    assert "hunter2" not in service_name(argv, "/srv/x")


def test_a_command_is_told_on_one_line() -> None:
    assert "\n" not in told_command(["python", "a\nb: {}.py"])


def test_a_service_of_a_like_name_is_nobody_elses() -> None:
    assert not is_own(["python", "/srv/grace/notes.py"])
    assert not is_own(["python", "-m", "gracenotes"])
    assert not is_system(["/srv/sshd-dashboard"], "sshd-dashboard")
