"""Every undo is held, while planning, to what its own action would say of it: a way back that is refused is none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from grace.act.executors import Action
from grace.act.executors.command import CommandExecutor
from grace.act.executors.file import FileExecutor
from grace.act.executors.http import HttpExecutor
from grace.act.executors.process import ProcessExecutor
from grace.act.executors.telling import TellingHands
from grace.act.executors.workplace import ProcessRules
from grace.kit.procfs import Endpoint, process_stat
from grace.model.catalogue import Catalogue
from grace.model.plan import Plan, Reversibility
from grace.model.service import Service
from grace.model.warrant import Refusal
from grace.think.playbooks.loading import LoadedPlaybook, load_document
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render
from tests.act.workbench import Bench
from tests.think.worlds import CATALOGUE, DIAGNOSIS, INCIDENT, Eyes, document

HOME = 4711
"""The port at which GRACE listens in these tests."""


@dataclass
class Planning:
    """Renders a playbook of one deed and its undo, with the real hands."""

    bench: Bench

    def __call__(self, deed: Mapping[str, Any], undo: Mapping[str, Any]) -> Plan | Refusal:
        executors = [kind(self.bench.workplace) for kind in (HttpExecutor, CommandExecutor, FileExecutor)]
        actions: dict[str, Action] = {**ProcessExecutor(self.bench.workplace).actions}
        for executor in executors:
            actions |= executor.actions
        catalogue = Catalogue(actions={name: one.spec for name, one in actions.items()}, probes=CATALOGUE.probes)
        written = {
            "format": 1,
            "name": "there-and-back",
            "version": "1.0.0",
            "summary": "Do it, and take it back",
            "when": {"cause": "database_locked"},
            "do": [{"id": "deed", **deed, "undo": dict(undo)}],
            "contract": {"after": [{"probe": "file.size", "with": {"path": "/srv/x"}, "is": 1}]},
            "on_violated": "roll_back",
            "on_inconclusive": "roll_back",
        }
        playbook = load_document(document(json.dumps(written)), catalogue)
        assert isinstance(playbook, LoadedPlaybook), "\n".join(map(str, playbook))
        return render(
            playbook, Occasion(INCIDENT, DIAGNOSIS, self._service()), Means(catalogue, Eyes(), TellingHands(actions))
        )

    def _service(self) -> Service:
        me = process_stat(os.getpid())
        assert me is not None
        allowed = [
            {"kind": "http", "id": "127.0.0.1:9/x"},
            {"kind": "http", "id": f"127.0.0.1:{HOME}/x"},
            {"kind": "file", "id": f"{self.bench.folder}/"},
            {"kind": "command", "id": "orders:switch"},
            {"kind": "process", "id": f"{os.getpid()}@{me.started_at}"},
        ]
        return Service.model_validate({"name": "orders", "environment": "production", "targets": allowed})


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Planning]:
    doors = frozenset({Endpoint(ip_address("127.0.0.1"), HOME)})
    bench = Bench(tmp_path, own_doors=lambda: doors, rules=ProcessRules(allow_as_root=True))
    yield Planning(bench)
    bench.close()


def request(port: int = 9, **more: object) -> dict[str, Any]:
    return {"uses": "http.request", "with": {"method": "POST", "url": f"http://127.0.0.1:{port}/x", **more}}


def command(*argv: str, **more: object) -> dict[str, Any]:
    return {"uses": "command.run", "with": {"argv": [*argv], "target": "orders:switch", **more}}


def write(path: Path | str, content: str = "x") -> dict[str, Any]:
    return {"uses": "file.write", "with": {"path": str(path), "content": content}}


def refused(outcome: Plan | Refusal) -> Refusal:
    assert isinstance(outcome, Refusal), outcome
    assert outcome.why.startswith("undo of step deed"), outcome.why
    return outcome


def test_an_undo_that_would_go_through_is_a_way_back(plan: Planning) -> None:
    made = plan(request(), request())
    assert isinstance(made, Plan), made
    assert made.reversibility is Reversibility.COMPENSABLE


@pytest.mark.parametrize("more", [{}, {"headers": {"If-Match": "${{ do.deed.etag }}"}}])
def test_an_undo_that_goes_to_grace_itself_is_refused_while_planning(plan: Planning, more: dict[str, object]) -> None:
    no = refused(plan(request(), request(HOME, **more)))
    assert no.rule == "http.control_plane"
    assert f"127.0.0.1:{HOME}" in no.why
    assert "no way back" in no.next


def test_an_undo_whose_secret_is_missing_is_refused_while_planning(plan: Planning) -> None:
    secret: dict[str, object] = {"headers_from": {"Authorization": "Bearer env:ABSENT"}}
    no = refused(plan(request(), request(9, **secret)))
    assert no.rule == "http.secret"
    assert "env:ABSENT" in no.why
    plan.bench.secrets = {"env:ABSENT": "there-now"}
    assert isinstance(plan(request(), request(9, **secret)), Plan)


@pytest.mark.parametrize(
    ("undo", "rule"),
    [
        (command("/no/such/program"), "command.program"),
        (command("no-such-program"), "command.program"),
        (command("true", cwd="/no/such/folder"), "command.cwd"),
        (command("true", environment=["NOT_SET_HERE"]), "command.environment"),
        (command("no-such-program", "code ${{ do.deed.exit_code }}"), "command.program"),
    ],
)
def test_an_undo_by_a_command_that_could_not_start_is_refused_while_planning(
    plan: Planning, undo: dict[str, Any], rule: str
) -> None:
    assert refused(plan(command("true"), undo)).rule == rule


def test_an_undo_that_would_touch_a_protected_process_is_refused_while_planning(plan: Planning) -> None:
    me = process_stat(os.getpid())
    assert me is not None
    process = {"pid": os.getpid(), "started_at": me.started_at}
    (plan.bench.world / "pid").write_text(str(os.getpid()))
    pid_file = str(plan.bench.world / "pid")
    undo = {"uses": "process.signal", "with": {"process": process, "pid_file": pid_file, "signal": "HUP"}}
    assert refused(plan(command("true"), undo)).rule == "protected"


def test_an_undo_that_would_write_into_graces_own_state_is_refused_while_planning(plan: Planning) -> None:
    assert refused(plan(command("true"), write(plan.bench.own / "ledger"))).rule == "files.control_plane"


def test_an_undo_of_a_text_that_only_the_deed_writes_is_no_reason_to_refuse(plan: Planning) -> None:
    file = plan.bench.world / "settings"
    file.write_text("size = 4\n")
    undo = {"uses": "file.replace_text", "with": {"path": str(file), "old": "size = 8", "new": "size = 4"}}
    made = plan(command("sed", "-i", "s/4/8/", str(file)), undo)
    assert isinstance(made, Plan), made


def test_an_undo_that_waits_for_an_output_of_the_deed_is_checked_as_far_as_it_is_known(plan: Planning) -> None:
    made = plan(request(), request(headers={"If-Match": "${{ do.deed.etag }}"}))
    assert isinstance(made, Plan), made
    (deed,) = made.steps
    assert deed.undo is not None
    assert deed.undo.parameters["headers"] == {"If-Match": "${{ do.deed.etag }}"}
