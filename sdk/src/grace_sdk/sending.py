"""Sending: the loop of the background thread that carries parcels to the server, and what became of them."""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from grace_sdk.bell import Bell
from grace_sdk.outcome import Delivered, Postponed
from grace_sdk.safety import Fault, attempt

if TYPE_CHECKING:
    from grace_sdk.delivery import Delivery
    from grace_sdk.dsn import Dsn
    from grace_sdk.outbox import Outbox, Parcel
    from grace_sdk.outcome import Outcome
    from grace_sdk.recorder import Recorder
    from grace_sdk.spool import SessionReport

_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 30.0
_LOOK_AROUND_S: Final = 5.0

_ON_DISK: Final = "are kept in the spool and sent later"
_IN_MEMORY: Final = (
    "wait in memory alone and are sent later; what is not sent when this process ends is lost, which a spool prevents"
)

_log: Final = logging.getLogger("grace_sdk")


class Sender:
    """Deliver what the outbox holds; when the server is away, try again ever more rarely."""

    def __init__(self, outbox: Outbox, dsn: Dsn, timeout_s: float, recorder: Recorder) -> None:
        self.delivered = 0
        self.refused = 0
        self.problem = ""
        """Why nothing can be delivered at the moment, or empty."""
        self._outbox = outbox
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._recorder = recorder
        self._delivery: Delivery | None = None
        self._retry_now = Bell()
        self.has_imported = threading.Event()

    def run(self) -> None:
        """Work until the outbox is closed; the body of a thread."""
        # Imported here because HTTP costs 20 ms, which no caller of `init` should wait for.
        from grace_sdk.delivery import Delivery  # noqa: PLC0415

        # The first name that is looked up imports its codec; better before a fork can come in between.
        "localhost".encode("idna")
        self.has_imported.set()
        self._delivery = delivery = Delivery(self._dsn, self._timeout_s)
        attempt(self._outbox.take_over)
        retry_s = _FIRST_RETRY_S
        while not self._outbox.is_closed:
            parcel = self._outbox.take(_LOOK_AROUND_S)
            if parcel is None:
                # Nothing to do: perhaps another process of this service died meanwhile.
                attempt(self._outbox.take_over)
                continue
            postponed = self._carry(delivery, parcel)
            if postponed is None:
                retry_s = _FIRST_RETRY_S
                continue
            self._retry_now.wait(max(postponed, _jittered(retry_s)))
            retry_s = min(retry_s * 2, _LAST_RETRY_S)
        delivery.close()

    def retry(self) -> None:
        """Try again at once."""
        self._retry_now.ring()

    def abandon(self) -> None:
        """Let go of the connection: in a forked child it is the parent's."""
        if self._delivery is not None:
            self._delivery.abandon()

    def _carry(self, delivery: Delivery, parcel: Parcel) -> float | None:
        """Deliver one parcel and return None; else keep it and return the seconds that the server asked to wait."""
        reports = self._outbox.reports
        outcome = attempt(self._deliver, delivery, parcel, reports)
        if isinstance(outcome, Delivered):
            self._note_delivered(parcel, outcome)
            self._outbox.reported(reports)
            return None
        if isinstance(outcome, Fault):
            outcome = Postponed(f"a fault of the SDK: {outcome.type}", 0.0)
        self._note_postponed(parcel, outcome)
        return outcome.after_s

    def _deliver(self, delivery: Delivery, parcel: Parcel, reports: list[SessionReport]) -> Outcome:
        return delivery.deliver(self._outbox.lines_of(parcel), self._sessions(reports))

    def _sessions(self, reports: list[SessionReport]) -> bytes:
        """Say how many sequence numbers were given out, by this process and by dead ones: the rest of them is lost."""
        dead = [{"session": report.session, "issued": report.issued, "over": True} for report in reports]
        own = {"session": self._recorder.session, "issued": self._recorder.issued[0], "over": False}
        return json.dumps([own, *dead], separators=(",", ":")).encode()

    def _note_delivered(self, parcel: Parcel, outcome: Delivered) -> None:
        self.delivered += outcome.kept
        self.refused += outcome.refused
        if outcome.refused:
            _log.error("GRACE refused %d signals for good: %s", outcome.refused, outcome.why)
        if self.problem:
            _log.warning("GRACE takes signals again.")
        self.problem = ""
        self._outbox.done(parcel)

    def _note_postponed(self, parcel: Parcel, outcome: Postponed) -> None:
        if not self.problem:
            where = _IN_MEMORY if parcel.file is None else _ON_DISK
            _log.warning("GRACE does not take signals (%s); they %s.", outcome.why, where)
        self.problem = outcome.why
        self._outbox.put_back(parcel)


def _jittered(seconds: float) -> float:
    """Spread retries over half to all of the delay, so that many processes do not come back at once."""
    return seconds * (0.5 + os.urandom(1)[0] / 510)
