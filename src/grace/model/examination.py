"""Examination: what the doctor looked at, what was measured, and what to do where it is not well."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import model_validator

from grace.model.noun import Noun


class Health(StrEnum):
    """How one thing is. What could not be looked at is unknown, and unknown is never well."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class CheckResult(Noun):
    """One thing that was looked at: what was found, as a sentence and where it is one as a number with its unit."""

    check: str
    """Which check, in dotted parts: `folder.fsync`."""
    about: str
    """What was looked at: a folder, a service and its probe, an address."""
    health: Health
    found: str
    value: float | None = None
    unit: str = ""
    next: str = ""
    """The next command or edit; never empty where it is not well."""

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if self.health is not Health.OK and not self.next:
            message = f"{self.check}: what is not well needs its next step"
            raise ValueError(message)
        return self


class Examination(Noun):
    """Everything that was looked at, and where: in the server, or in a process beside its data folder."""

    at: datetime
    version: str
    place: str
    results: tuple[CheckResult, ...]
