"""The outbox: each declared webhook a subscriber of the mesh, and a test message for who sets one up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from grace.kit.clock import Clock, to_rfc3339
from grace.kit.ids import new_id
from grace.model.ledger_entry import LedgerEntry
from grace.record.mesh.delivery import Mesh
from grace.record.mesh.subscription import SubscriberGone, TryLater
from grace.record.mesh.webhooks.cloudevents import TEST_TYPE, CloudEvent, event_of, written
from grace.record.mesh.webhooks.declarations import Payload, Webhook
from grace.record.mesh.webhooks.posting import NotTakenError, Receiver, Reply
from grace.record.mesh.webhooks.signing import SecretUnfitError, key_of, signed

_LONGEST_REASON: Final = 100


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test message went: the status that came back, or why none did."""

    event_id: str
    status: int | None
    why: str | None
    took_s: float

    @property
    def is_taken(self) -> bool:
        return self.why is None


@dataclass(frozen=True, slots=True)
class Outbox:
    """Sends entries of the log `origin` to the declared receivers; `secret` resolves references at the last moment."""

    hooks: Sequence[Webhook]
    origin: str
    secret: Callable[[str], str | None]
    clock: Clock

    def subscribe(self, mesh: Mesh) -> None:
        """Deliver to every webhook from where its cursor stands; a new one begins with what comes."""
        for hook in self.hooks:
            mesh.subscribe(
                hook.subscriber,
                hook.events,
                partial(self.deliver, hook),
                rule=hook.rule,
                concurrency=hook.concurrency,
                timeout_s=hook.mesh_timeout_s,
            )

    def named(self, name: str) -> Webhook | None:
        return next((hook for hook in self.hooks if hook.name == name), None)

    def deliver(self, hook: Webhook, entry: LedgerEntry) -> None:
        """Send one entry; raise what the mesh is to know when it is not taken."""
        event = event_of(entry, self.origin, with_payload=hook.payload is Payload.FULL)
        self._judge(self._send(hook, event))

    def test(self, hook: Webhook, by: str) -> Tested:
        """Send an event that stands on no record, of a type of its own, once."""
        event = CloudEvent(
            id=new_id("test"),
            source=f"//{self.origin}",
            type=TEST_TYPE,
            time=to_rfc3339(self.clock.now()),
            subject=hook.name,
            data={"webhook": hook.name, "by": by},
        )
        began_s = self.clock.monotonic()
        status, why = None, None
        try:
            reply = self._send(hook, event)
            status = reply.status
            self._judge(reply)
        except (NotTakenError, TryLater, SubscriberGone) as error:
            why = str(error)
        return Tested(event.id, status, why, self.clock.monotonic() - began_s)

    def _send(self, hook: Webhook, event: CloudEvent) -> Reply:
        message = written(event, hook.mode)
        at_s = int(self.clock.now().timestamp())
        headers = {**message.headers, **signed(self._keys(hook), event.id, at_s, message.body)}
        return Receiver(hook.url, hook.network, hook.timeout).post(headers, message.body)

    def _keys(self, hook: Webhook) -> list[bytes]:
        """Read the secrets now, so that they can be changed while GRACE runs."""
        try:
            return [key_of(self.secret(reference) or "") for reference in hook.secrets]
        except SecretUnfitError as error:
            message = f"nothing was sent: {error}; see `secrets` of webhook {hook.name}"
            raise NotTakenError(message) from error

    def _judge(self, reply: Reply) -> None:
        """Do nothing for a message that was taken; raise what else the status means."""
        said = f"HTTP {reply.status} {reply.reason[:_LONGEST_REASON]}".rstrip()
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if reply.status == HTTPStatus.GONE:
            raise SubscriberGone(said)
        after_s = self._pause_s(reply.retry_after)
        if after_s is not None:
            raise TryLater(said, after_s)
        if reply.status < HTTPStatus.BAD_REQUEST:
            said = f"{said}: redirects are not followed, declare the final address"
        raise NotTakenError(said)

    def _pause_s(self, retry_after: str | None) -> float | None:
        """Read a Retry-After header: seconds or a date; None for what is neither."""
        if retry_after is None:
            return None
        told = retry_after.strip()
        if told.isascii() and told.isdigit():
            return float(told[:9])
        try:
            moment = parsedate_to_datetime(told)
        except ValueError:
            return None
        return None if moment.tzinfo is None else max(0.0, (moment - self.clock.now()).total_seconds())
