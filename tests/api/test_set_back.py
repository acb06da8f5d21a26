"""A machine whose clock is set back gives nothing its time again."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from grace import wiring
from grace.api.roles import Role
from grace.kit.clock import SteadyClock
from grace.model.approval import Approval, ApprovalState
from grace.model.examination import Health
from grace.model.run import Run, RunKind
from grace.model.warrant import Refusal
from grace.settings import Settings, load_settings

DIGEST = "sha256:" + "a" * 64


@dataclass
class Machine:
    """A machine whose wall clock somebody sets; the monotonic one goes on."""

    wall_ns: int = 1_800_000_000 * 10**9
    steady_ns: int = 5 * 10**9

    def pass_s(self, seconds: int) -> None:
        self.wall_ns += seconds * 10**9
        self.steady_ns += seconds * 10**9

    def set_by(self, seconds: int) -> None:
        self.wall_ns += seconds * 10**9

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall_ns, lambda: self.steady_ns)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        data_folder=tmp_path / "data", services_file=tmp_path / "none.yaml", approval_lifetime=15, observe_every=3600
    )


@pytest.fixture
def running(settings: Settings, machine: Machine) -> Generator[wiring.Running]:
    with wiring.open_house(settings, clock=machine.clock()) as opened:
        yield opened


def ask(running: wiring.Running) -> Approval:
    run = Run(
        id="run_1",
        kind=RunKind.HEAL,
        incident_id="inc_1",
        service="orders",
        environment="production",
        requested_by="grace",
        opened_at=running.house.clock.now(),
    )
    return running.house.approvals.request(run, DIGEST, 1)


def test_a_yes_after_the_time_is_over_is_refused_when_the_clock_went_back(
    running: wiring.Running, machine: Machine
) -> None:
    asked = ask(running)
    machine.set_by(-3600)
    machine.pass_s(18)
    answered = running.house.approvals.answer(asked.id, "ann", grants=True, reason="yes", plan_digest=DIGEST)
    assert isinstance(answered, Refusal)
    assert answered.rule == "approval-final"
    found = running.house.approvals.of(asked.run_id)
    assert found is not None
    assert found.state is ApprovalState.EXPIRED


def test_a_start_after_the_clock_went_back_gives_no_time_again(settings: Settings, machine: Machine) -> None:
    with wiring.open_house(settings, clock=machine.clock()) as running:
        asked = ask(running)
        machine.pass_s(14)
        running.house.tokens.issue("late", Role.VIEWER, "tests")
    machine.set_by(-3600)
    with wiring.open_house(settings, clock=machine.clock()) as running:
        machine.pass_s(1)
        answered = running.house.approvals.answer(asked.id, "ann", grants=True, reason="yes", plan_digest=DIGEST)
        assert isinstance(answered, Refusal)


def test_a_token_stays_expired_when_the_clock_went_back(running: wiring.Running, machine: Machine) -> None:
    issued = running.house.tokens.issue("short", Role.VIEWER, "tests", timedelta(seconds=15))
    machine.pass_s(16)
    assert running.house.tokens.identify(issued.secret) is None
    machine.set_by(-3600)
    assert running.house.tokens.identify(issued.secret) is None


def test_doctor_and_status_say_by_how_much_the_clock_went_back(running: wiring.Running, machine: Machine) -> None:
    assert running.house.troubles() == ()
    machine.set_by(-3600)
    [trouble] = running.house.troubles()
    assert "went back" in trouble
    assert "3600 s" in trouble
    [told] = [one for one in running.house.doctor.examine().results if one.check == "clock.set_back"]
    assert told.health is Health.WARNING
    assert told.value == 3600
