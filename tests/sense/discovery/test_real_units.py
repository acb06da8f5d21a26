"""Services that a real systemd started, found by the control groups that it put them in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from grace.cli.exits import Exit
from grace.model.service import Service
from grace.sense.declarations import load_services
from grace.settings import load_settings
from grace.wiring import catalogue
from tests.machine.machine import Machine, open_machine
from tests.machine.parts import get, start_systemd

pytestmark = [pytest.mark.root, pytest.mark.slow]

SERVES = """\
[Unit]
DefaultDependencies=no
{needs}
[Service]
ExecStart={python} -m http.server {port} --bind 127.0.0.1
ExecStartPost=/bin/sh -c 'echo $MAINPID >/run/started-{port}'
PIDFile=/run/started-{port}
WorkingDirectory={folder}
StandardOutput=append:{folder}/{port}.out
StandardError=append:{folder}/{port}.out
"""
SLEEPS = """\
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/sleep 1000
ExecStartPost=/bin/sh -c 'echo $MAINPID >/run/%p-%i.pid'
"""


@pytest.fixture
def machine(tmp_path: Path, require_tool: Callable[[str], Path]) -> Generator[Machine]:
    require_tool("systemd-run")
    with open_machine(tmp_path) as opened:
        yield opened


def _proposed(machine: Machine) -> tuple[Any, dict[str, Service]]:
    said = machine.grace("init", "--json")
    assert said.returncode == Exit.DONE, said.stderr
    declared = load_services(machine.folder / "grace.yaml", catalogue(load_settings()))
    assert declared.flaws == ()
    return json.loads(said.stdout), {one.name: one for one in declared.services}


def test_units_give_their_services_name_pid_file_log_and_what_they_need(machine: Machine, tmp_path: Path) -> None:
    serves = partial(SERVES.format, python=sys.executable, folder=tmp_path)
    units = {
        "notes.service": serves(port=8001, needs="Requires=store.service\nAfter=store.service"),
        "store.service": serves(port=8002, needs=""),
        "mailer@.service": SLEEPS,
    }
    systemd, inside = start_systemd(machine, units, ["notes.service", "mailer@1.service"])
    for port in (8001, 8002):
        machine.wait_for(systemd, lambda at=f"http://127.0.0.1:{port}/": get(machine, at))
    machine.wait_for(systemd, lambda: machine.inside("/run/mailer-1.pid").exists() or None)
    said, services = _proposed(inside)
    assert said["unknown"] == []
    assert list(services) == ["mailer-1", "notes", "store"]
    notes = services["notes"]
    assert notes.pid_file == "/run/started-8001"
    assert str(tmp_path / "8001.out") in notes.evidence
    assert notes.depends_on == ("store",)
    assert services["mailer-1"].pid_file == "/run/mailer-1.pid"
    found = {(one["service"], one["where"]) for one in said["findings"] if one["kind"] == "unit"}
    assert ("notes", "/etc/systemd/system/notes.service") in found
    assert ("mailer-1", "/etc/systemd/system/mailer@.service") in found
