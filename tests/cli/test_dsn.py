"""`grace token create --dsn`: the one line that a service needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from grace_sdk.client import Client
from grace_sdk.dsn import parse_dsn

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.world import open_world


def test_a_whole_dsn_names_the_server_that_runs_and_a_token_that_works(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    with open_world(tmp_path / "world") as world:
        said = grace(
            *("token", "create", "app", "--role", "sender", "--dsn", "shop"),
            *("--server", world.address, "--token", world.tokens["ann"]),
        )
        assert said.code == Exit.DONE, said.err
        dsn = parse_dsn(said.out.strip())
        assert (dsn.server, dsn.service, dsn.environment) == (world.address, "shop", "production")
        with Client(dsn.server, dsn.token) as client:
            assert client.post("/api/intake/native", body={"signals": [], "sessions": [{"session": "a", "issued": 0}]})


def test_where_no_server_runs_it_is_the_address_that_the_settings_give(
    grace: Grace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_PORT", "8123")
    told = grace("token", "create", "app", "--role", "sender", "--dsn", "shop", "--json").json
    assert parse_dsn(told["dsn"]).server == "http://127.0.0.1:8123"
    assert parse_dsn(told["dsn"]).token == told["secret"]


def test_a_port_that_nobody_knows_makes_no_token(grace: Grace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_PORT", "0")
    said = grace("token", "create", "app", "--role", "sender", "--dsn", "shop")
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "GRACE_PORT=0" in said.err
    assert grace("token", "list", "--json").json["items"] == []
    assert grace("token", "create", "app", "--role", "sender").code == Exit.DONE


@pytest.mark.parametrize(("host", "server", "more"), [("::1", "http://[::1]:8123", False), ("0.0.0.0", "", True)])
def test_what_keeps_a_dsn_from_working_yet_is_told(
    grace: Grace, monkeypatch: pytest.MonkeyPatch, host: str, server: str, more: bool
) -> None:
    monkeypatch.setenv("GRACE_PORT", "8123")
    monkeypatch.setenv("GRACE_HOST", host)
    said = grace("token", "create", "app", "--role", "sender", "--dsn", "shop")
    assert parse_dsn(said.out.strip()).server == server or more
    assert "No server runs on" in said.err
    assert ("names every address" in said.err) is more


def test_a_name_that_no_service_has_makes_no_token(grace: Grace) -> None:
    said = grace("token", "create", "app", "--role", "sender", "--dsn", "My Shop")
    assert said.code == Exit.USAGE
    assert "grace.yaml" in said.err
    assert grace("token", "list", "--json").json["items"] == []
