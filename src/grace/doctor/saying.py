"""Results in one line each: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from grace.model.examination import CheckResult, Health


def well(check: str, about: str, found: str, value: float | None = None, unit: str = "") -> CheckResult:
    return CheckResult(check=check, about=about, health=Health.OK, found=found, value=value, unit=unit)


def doubtful(
    check: str, about: str, found: str, next_step: str, value: float | None = None, unit: str = ""
) -> CheckResult:
    return CheckResult(
        check=check, about=about, health=Health.WARNING, found=found, value=value, unit=unit, next=next_step
    )


def failed(
    check: str, about: str, found: str, next_step: str, value: float | None = None, unit: str = ""
) -> CheckResult:
    return CheckResult(
        check=check, about=about, health=Health.FAILED, found=found, value=value, unit=unit, next=next_step
    )


def not_known(check: str, about: str, why: str, next_step: str) -> CheckResult:
    return CheckResult(check=check, about=about, health=Health.UNKNOWN, found=why, next=next_step)
