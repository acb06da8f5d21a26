"""A whole `find` may stand for the process: the playbook of the design works as it is written there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
from pydantic import ValidationError

from grace.act.executors.process import SignalParameters, TerminateParameters
from grace.kit.clock import SystemClock
from grace.model.execution import StepState
from grace.model.reading import Known
from grace.sense.collectors.process import ProcessCollector
from grace.sense.collectors.viewpoint import Viewpoint
from tests.act.workbench import Bench
from tests.conformance.hands import RULES, found_actions

SAMPLE: Final = """\
format: 1
name: sqlite-release-stuck-writer
version: 1.0.0                       # changed content under the same version is refused
summary: End the process that holds a write lock for too long
when: {cause: database_locked, labels: {engine: sqlite}}
inputs:
  database: {type: path, from: incident.labels.database}
  patience: {type: duration, default: 3s}
find:
  - id: holder
    uses: process.lock_holder
    with: {path: "${{ inputs.database }}"}
do:
  - id: end_holder
    uses: process.terminate
    if: find.holder.held_s > 5
    with: {process: "${{ find.holder }}", patience: "${{ inputs.patience }}"}
contract:
  before:
    - {probe: sqlite.writable, with: {path: "${{ inputs.database }}"}, is: false}
  throughout:
    - {probe: sqlite.integrity, with: {path: "${{ inputs.database }}"}, is: ok}
  after:
    - {probe: sqlite.writable, with: {path: "${{ inputs.database }}"}, is: true, within: 2s, for: 3s}
    - {metric: service.error_rate, at_most: 0.01, within: 5s, for: 5s}
    - {benchmark: service.smoke, worsens_at_most: 20%, required: false}
on_violated: hold                    # or roll_back
on_inconclusive: hold
"""
"""Letter by letter the playbook of the design, section 6."""
CASES: Final = """\
format: 1
playbook: sample.yaml
service:
  name: orders
  mode: auto
  indicators: {error_rate: {probe: file.size, with: {path: /srv/orders/errors}}}
  benchmarks: {smoke: {probe: http.latency_ms, with: {url: "http://127.0.0.1:9100/healthz"}}}
  targets: [{kind: sqlite, id: /srv/orders/orders.db}]
cases:
  - name: ends the process that kept the lock all the time
    incident: {labels: {engine: sqlite, database: /srv/orders/orders.db}}
    cause: database_locked
    finds: {holder: FOUND}
    expect:
      steps:
        - id: end_holder
          uses: process.terminate
          with: {process: {pid: 4312, started_at: 99017}, holds: /srv/orders/orders.db, patience: 3}
          targets: ["process:test:4312@99017"]
      ruling: act_with_quorum
  - name: leaves the writer of a database alone that the service does not declare
    incident: {labels: {engine: sqlite, database: /srv/other/other.db}}
    cause: database_locked
    finds: {holder: ELSEWHERE}
    expect: {refused: outside-allowance}
"""
FOUND: Final = (
    "{pid: 4312, started_at: 99017, name: report, command: report --all, uid: 1000, host: db-1, age_s: 60,"
    " holds: /srv/orders/orders.db, held_s: 5.1}"
)
HOLDER: Final = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE t (x)")
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "sample.yaml").write_text(SAMPLE)
    cases = CASES.replace("FOUND", FOUND).replace("ELSEWHERE", FOUND.replace("orders/orders.db", "other/other.db"))
    (folder / "sample.test.yaml").write_text(cases)
    return folder


@pytest.mark.parametrize("verb", ["lint", "test"])
def test_the_playbook_of_the_design_lints_and_plans_bounded_literals(sample: Path, verb: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "grace", "playbook", verb, str(sample)],
        env={**os.environ, "GRACE_PLAYBOOK_FOLDERS": str(sample)},
        cwd=sample,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def process(**more: object) -> dict[str, object]:
    return {"pid": 4312, "started_at": 99017, "name": "report", "held_s": 5.1, **more}


def written(parameters: TerminateParameters | SignalParameters) -> dict[str, Any]:
    return parameters.model_dump(mode="json", exclude_defaults=True)


def test_a_found_process_brings_its_tie_along_and_nothing_else() -> None:
    found = TerminateParameters.model_validate({"process": process(holds="/srv/a.db")})
    assert written(found) == {"process": {"pid": 4312, "started_at": 99017}, "holds": "/srv/a.db"}
    by_hand = TerminateParameters.model_validate({"process": {"pid": 4312, "started_at": 99017}, "holds": "/srv/a.db"})
    assert by_hand.model_dump() == found.model_dump()
    signalled = SignalParameters.model_validate({"process": process(pid_file="/run/a.pid"), "signal": "HUP"})
    assert signalled.pid_file == "/run/a.pid"


def test_a_tie_that_the_call_names_counts_more_than_the_one_that_was_found() -> None:
    given = {"process": process(holds="/srv/a.db"), "listens": 8080}
    assert written(TerminateParameters.model_validate(given))["listens"] == 8080
    assert TerminateParameters.model_validate(given).holds is None


@pytest.mark.parametrize("tie", [{}, {"pid_file": "/run/a.pid"}, {"holds": "not/absolute"}, {"fame": "great"}])
def test_a_found_process_without_a_tie_that_the_action_takes_is_refused(tie: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TerminateParameters.model_validate({"process": process(**tie)})


@pytest.fixture
def holder(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(bench.world / "orders.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "held\n"
        yield started
        started.kill()


@pytest.mark.slow
def test_what_the_probe_finds_by_itself_is_enough_to_end_the_holder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    path = str(tmp_path / "world" / "orders.db")
    probe = ProcessCollector(Viewpoint(SystemClock())).probes["process.lock_holder"]
    found = probe.aim(probe.spec.parameters.model_validate({"path": path})).read()
    assert isinstance(found, Known)
    assert cast("dict[str, float]", found.value)["held_s"] > 5
    bench = Bench(tmp_path, rules=RULES)
    action = found_actions(bench)["process.terminate"]
    parameters = action.spec.parameters.model_validate({"process": found.value, "patience": "5s"})
    assert action.apply(parameters, bench.journal()).state is StepState.DONE
    assert holder.wait(5) < 0
    bench.close()
