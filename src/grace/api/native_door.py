"""The native door: bytes to signals, signals to durable rows, and each refusal with its field."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from grace.api.house import Receipt
from grace.kit.clock import Clock
from grace.model.warrant import Refusal
from grace.sense.intake import Fault, Unacceptable
from grace.sense.intake.acceptance import Intake
from grace.sense.intake.native import parse

PARSED_AT_ONCE: Final = 65_536
"""Bytes; a larger body is parsed in a thread, so that it holds nobody up."""
_RULES: Final[Mapping[Fault, str]] = MappingProxyType(
    {Fault.TOO_LARGE: "body-too-large", Fault.NOT_JSON: "body-unreadable", Fault.INVALID: "body-invalid"}
)


@dataclass(frozen=True, slots=True)
class NativeDoor:
    """Takes signals as the SDK sends them."""

    intake: Intake
    clock: Clock

    async def accept(self, body: bytes) -> Receipt | Refusal:
        """Return after everything in the body is durable, or why nothing of it was taken."""
        now = self.clock.now()
        small = len(body) <= PARSED_AT_ONCE
        parsed = parse(body, now) if small else await asyncio.to_thread(parse, body, now)
        if isinstance(parsed, Unacceptable):
            return _refusal(parsed)
        kept = await asyncio.wrap_future(self.intake.accept(parsed.signals, parsed.news))
        return Receipt(accepted=kept.accepted, duplicates=kept.duplicates)


def _refusal(found: Unacceptable) -> Refusal:
    flaws = "; ".join(f"{flaw.field} {flaw.why}" for flaw in found.flaws)
    return Refusal(
        rule=_RULES[found.fault], why=flaws, next="Mend it and send it again; the SDK sends signals in the right shape"
    )
