"""`grace doctor`: beside a data folder, and at a server."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from grace import wiring
from grace.cli.exits import Exit
from grace.settings import load_settings
from tests.cli.conftest import Grace, Said
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("doctor")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GRACE_PORT", str(free.getsockname()[1]))


def ask(grace: Grace, world: World, who: str, *options: str) -> Said:
    return grace("doctor", "--server", world.address, "--token", world.tokens.get(who, who), *options)


def found(said: Said) -> dict[str, list[Any]]:
    results: dict[str, list[Any]] = {}
    for one in said.json["results"]:
        results.setdefault(one["check"], []).append(one)
    return results


def everything(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in (folder, *folder.rglob("*"))}


def test_without_a_server_it_looks_at_what_lies_there_and_changes_nothing(
    grace: Grace, tmp_path: Path, data_folder: Path
) -> None:
    data_folder.chmod(0o700)
    before = everything(tmp_path)
    said = grace("doctor", "--json")
    assert said.code == Exit.DONE
    assert said.json["place"] == "offline"
    assert said.json["counts"]["failed"] == 0
    assert everything(tmp_path) == before
    results = found(said)
    assert results["folder.fsync"][0]["value"] > 0
    assert results["services.loaded"][0]["next"] == "grace init"
    for one in said.json["results"]:
        assert (one["health"] == "ok") or one["next"], "what is not well says what to do"


def test_what_is_not_well_stands_beside_what_to_do(grace: Grace, data_folder: Path) -> None:
    data_folder.chmod(0o755)
    said = grace("doctor")
    assert f"chmod 700 {data_folder}" in said.out
    assert "! warning" in said.out
    assert "next:" in said.out.splitlines()[-1]


def test_a_setting_that_nobody_knows_fails(grace: Grace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_HOSTT", "x")
    said = grace("doctor", "--json")
    assert said.code == Exit.FAULT
    assert found(said)["settings.valid"][0]["health"] == "failed"
    assert "GRACE_HOSTT" in said.out


def test_a_services_file_with_a_mistake_fails_with_its_line(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "grace.yaml").write_text("format: 1\nservices:\n  - name: shop\n    mod: auto\n")
    said = grace("doctor", "--json")
    assert said.code == Exit.FAULT
    assert "grace.yaml:4:" in found(said)["services.loaded"][0]["found"]


def test_a_services_file_that_was_named_and_is_not_there_fails(grace: Grace, tmp_path: Path) -> None:
    said = grace("doctor", "--services", str(tmp_path / "graec.yaml"), "--json")
    assert said.code == Exit.FAULT
    assert found(said)["services.loaded"][0]["health"] == "failed"


def test_webhooks_with_a_mistake_fail_with_their_line(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "webhooks.yaml").write_text("format: 1\nwebhooks:\n  - name: pager\n    urll: https://example.com\n")
    said = grace("doctor", "--json")
    assert said.code == Exit.FAULT
    assert "webhooks.yaml:" in found(said)["webhooks.loaded"][0]["found"]


def test_an_action_that_cannot_be_used_fails(grace: Grace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setenv("GRACE_ACTION_FOLDERS", str(tmp_path / "actions"))
    said = grace("doctor", "--json")
    assert said.code == Exit.FAULT
    assert found(said)["actions.loaded"][0]["health"] == "failed"


def test_a_folder_that_somebody_has_open_without_answering_is_warned_of(grace: Grace, data_folder: Path) -> None:
    settings = load_settings(data_folder=data_folder)
    with wiring.open_tokens(settings):
        (one,) = found(grace("doctor", "--json"))["record.open"]
    assert one["health"] == "warning"
    assert f"process {os.getpid()}" in one["found"]


def test_targets_and_probes_of_a_services_file_are_looked_at(grace: Grace, tmp_path: Path) -> None:
    (tmp_path / "grace.yaml").write_text(
        "format: 1\nservices:\n"
        "  - name: shop\n    targets: [{kind: file, id: gone/}]\n"
        f"    indicators: {{room: {{probe: host.disk_free_share, with: {{path: {tmp_path}}}}}}}\n"
        "  - name: other\n    targets: [{kind: file, id: ./}]\n"
    )
    said = grace("doctor", "--json")
    assert said.code == Exit.FAULT
    results = found(said)
    assert [one["health"] for one in results["service.target"]] == ["failed", "ok"]
    assert results["service.probe"][0]["unit"] == "share"
    one_alone = grace("doctor", "--service", "other", "--json")
    assert one_alone.code == Exit.DONE
    assert len(found(one_alone)["service.target"]) == 1
    assert grace("doctor", "--service", "nobody", "--json").code == Exit.FAULT


def test_a_server_looks_at_itself_and_nothing_of_it_changes(grace: Grace, world: World) -> None:
    size = world.running.house.record.head().size
    said = ask(grace, world, "ann", "--json")
    results = found(said)
    assert said.json["place"] == "server"
    assert results["online.version"][0]["health"] == "ok"
    assert "role admin" in results["online.token"][0]["found"]
    assert results["online.door"][0]["health"] == "ok"
    assert abs(results["online.clock"][0]["value"]) < 2
    assert {one["about"] for one in results["service.target"]} == {
        f"shop: file {world.folder}/",
        f"quiet: file {world.folder}/",
    }
    assert results["record.ledger"][0]["health"] == "ok"
    assert [one["health"] for one in results["server.halt"]] == ["ok"]
    assert world.running.house.record.head().size == size
    with world.client() as client:
        listed: Any = client.get("/api/incidents")
    assert listed["items"] == []


def test_a_halt_is_seen_by_the_server(grace: Grace, world: World) -> None:
    with world.client() as client:
        halt: Any = client.post("/api/halt", body={"reason": "release"})
        try:
            (one,) = found(ask(grace, world, "ann", "--json"))["server.halt"]
        finally:
            client.post(f"/api/halt/{halt['id']}/end", body={"reason": "done"})
    assert (one["health"], one["next"]) == ("warning", "grace halt --end")


def test_one_service_can_be_looked_at_alone(grace: Grace, world: World) -> None:
    results = found(ask(grace, world, "ann", "--service", "quiet", "--json"))
    assert [one["about"] for one in results["service.target"]] == [f"quiet: file {world.folder}/"]
    assert "folder.fsync" not in results
    assert ask(grace, world, "ann", "--service", "nobody", "--json").code == Exit.FAULT


def test_a_token_that_may_not_look_is_told_whom_to_ask(grace: Grace, world: World) -> None:
    said = ask(grace, world, "eve", "--json")
    results = found(said)
    assert said.code == Exit.DONE
    assert results["online.examination"][0]["health"] == "unknown"
    assert "--role operator" in results["online.examination"][0]["next"]
    assert results["online.door"][0]["health"] == "unknown", "a viewer may not send"


def test_a_sender_is_let_in_at_the_door_it_is_made_for(grace: Grace, world: World) -> None:
    results = found(ask(grace, world, "app", "--json"))
    assert results["online.door"][0]["health"] == "ok"
    assert "app is sender" in results["online.token"][0]["found"]


def test_a_token_that_nobody_knows_fails(grace: Grace, world: World) -> None:
    said = ask(grace, world, "grace_wrong", "--json")
    assert said.code == Exit.FAULT
    assert found(said)["online.token"][0]["next"].startswith("grace token create")


def test_a_server_that_is_named_and_does_not_answer_fails(grace: Grace) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        said = grace("doctor", "--server", f"http://127.0.0.1:{closed.getsockname()[1]}", "--json")
    assert said.code == Exit.FAULT
    assert found(said)["online.alive"][0]["health"] == "failed"
    assert "folder.fsync" in found(said), "what lies here is looked at all the same"
