from __future__ import annotations

from pathlib import Path

import pytest

from grace.model.decision import Decision, Ruling
from grace.model.diagnosis import Diagnosis
from grace.model.plan import Plan
from grace.model.service import Mode, Service
from grace.think.playbooks.rehearsing import CaseReport, Decide, run_playbook_tests
from tests.think.worlds import CATALOGUE, NOON, STUCK_WRITER

CASES = """\
format: 1
playbook: p.yaml
service:
  name: orders
  indicators: {error_rate: {probe: file.size, with: {path: /srv/errors}}}
  benchmarks: {smoke: {probe: file.size, with: {path: /srv/smoke}}}
  targets: [{kind: sqlite, id: /srv/orders.db}]
cases:
  - name: ends the process that holds the lock
    incident: {labels: {engine: sqlite, database: /srv/orders.db}}
    cause: database_locked
    finds:
      holder: {pid: 4312, started_at: 77, name: report, held_s: 9}
    expect:
      steps:
        - id: end_holder
          uses: process.terminate
          with: {process: {pid: 4312}, patience: 3}
          targets: ["process:test:4312@77"]
      reversibility: irreversible
      ruling: act_with_quorum
  - name: leaves a busy writer alone
    incident: {labels: {engine: sqlite, database: /srv/orders.db}}
    cause: database_locked
    finds:
      holder: {pid: 4312, started_at: 77, name: report, held_s: 1}
    expect: {refused: nothing-to-do}
  - name: does nothing when nobody is found
    incident: {labels: {database: /srv/orders.db}}
    cause: database_locked
    unknown: {holder: two processes might hold it}
    expect: {refused: find-unknown}
"""


def ruled(ruling: Ruling) -> Decide:
    def decide(plan: Plan, service: Service, diagnosis: Diagnosis) -> Decision:
        return Decision(
            plan_digest=plan.digest,
            ruling=ruling,
            rule="a-rule",
            reason="because",
            policy_digest="sha256:0",
            engine="test",
            mode=Mode.AUTO,
            at=NOON,
        )

    return decide


def run(folder: Path, cases: str = CASES, decide: Decide | None = None, playbook: str = STUCK_WRITER) -> CaseReport:
    (folder / "p.yaml").write_text(playbook)
    (folder / "p.test.yaml").write_text(cases)
    return run_playbook_tests([folder], CATALOGUE, decide)


def test_cases_that_come_out_as_expected_pass(tmp_path: Path) -> None:
    report = run(tmp_path, decide=ruled(Ruling.ACT_WITH_QUORUM))

    assert [one.problems for one in report.results] == [(), (), ()]
    assert report.is_passed


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("pid: 4312}, patience", "pid: 4313}, patience", "expected process"),
        ("patience: 3}", "patience: 4}", "expected patience"),
        ("patience: 3}", "patence: 4}", "no parameter 'patence'"),
        ("4312@77", "4312@78", "expected the targets"),
        ("id: end_holder", "id: end", "expected the steps"),
        ("uses: process.terminate", "uses: process.signal", "expected process.signal"),
        ("reversibility: irreversible", "reversibility: exact", "it is irreversible"),
        ("reversibility: irreversible", "skipped: [x]", "expected to skip"),
        ("ruling: act_with_quorum", "ruling: act_alone", "got act_with_quorum by a-rule"),
        ("held_s: 9}", "held_s: 2}", "got the refusal 'nothing-to-do'"),
        ("refused: nothing-to-do", "refused: input", "expected the refusal 'input'"),
        ("held_s: 1}", "held_s: 8}", "expected the refusal 'nothing-to-do', got a plan"),
        ("finds:\n      holder", "finds:\n      hlder", "no find 'hlder'"),
    ],
)
def test_a_case_that_comes_out_otherwise_fails_and_says_how(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in CASES
    report = run(tmp_path, CASES.replace(old, new, 1), ruled(Ruling.ACT_WITH_QUORUM))

    assert not report.is_passed
    assert any(problem in said for one in report.results for said in one.problems), report


def test_a_ruling_cannot_be_expected_of_no_policy(tmp_path: Path) -> None:
    report = run(tmp_path)

    assert "no policy" in report.results[0].problems[0]
    assert report.results[1].is_passed


def test_a_failure_is_told_at_the_line_of_its_case(tmp_path: Path) -> None:
    report = run(tmp_path)

    assert [one.line for one in report.results] == [9, 22, 28]


@pytest.mark.parametrize(
    "cases", ["a: [", "format: 1", CASES.replace("p.yaml", "q.yaml"), CASES.replace("expect:", "expct:", 1)]
)
def test_a_file_that_cannot_be_run_is_no_pass(tmp_path: Path, cases: str) -> None:
    report = run(tmp_path, cases)

    assert report.flaws
    assert not report.is_passed


def test_a_flaw_of_the_playbook_is_told(tmp_path: Path) -> None:
    report = run(tmp_path, playbook=STUCK_WRITER.replace("process.terminate", "process.end"))

    assert [one.rule for one in report.flaws] == ["unknown-action"]


def test_no_cases_are_no_pass(tmp_path: Path) -> None:
    assert not run_playbook_tests([tmp_path], CATALOGUE).is_passed
