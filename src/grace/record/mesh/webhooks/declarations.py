"""Webhooks as a file declares them. Every mistake is told with its line, and one mistake refuses the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, StringConstraints

from grace.kit.documents import Document, Flaw
from grace.kit.documents import Path as Place
from grace.kit.filesystem.plain import read_plain
from grace.kit.parsing import parse
from grace.kit.redaction import redact_text
from grace.kit.yaml import read_yaml
from grace.model.events import EventType
from grace.model.noun import Noun
from grace.model.quantities import Duration
from grace.record.mesh.patterns import PatternUnknownError, matching_types
from grace.record.mesh.subscription import RetryRule
from grace.record.mesh.webhooks.addresses import Network
from grace.record.mesh.webhooks.cloudevents import ContentMode
from grace.record.mesh.webhooks.signing import SecretUnfitError, key_of

SUBSCRIBER: Final = "webhook:"
"""What the names of webhooks begin with among the subscribers of the mesh."""
_FACTOR: Final = 4.0
_GRACE_S: Final = 5.0
"""How much longer the mesh waits than the webhook itself: for the resolver, which knows no limit of ours."""
_REFERENCE: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/\S+)$"
_MAKE_ONE: Final = "Make one: echo whsec_$(openssl rand -base64 32)"


class Payload(StrEnum):
    """What of an entry leaves the house."""

    FULL = "full"
    NONE = "none"


def _address(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not (written.isascii() and written.isprintable()):
        message = "not an http or https address in plain characters"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None or redact_text(written) != written:
        message = "an address carries no user, password or token; the signature tells the receiver who sends"
        raise ValueError(message)
    if parts.fragment or " " in written:
        message = "an address without a fragment is needed"
        raise ValueError(message)
    if parts.port == 0:
        message = "there is no port 0"
        raise ValueError(message)
    return written


SecretReference = Annotated[str, StringConstraints(pattern=_REFERENCE, max_length=4096)]


class Webhook(Noun):
    """One receiver: where, of what, how signed, how patiently."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")
    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_address)]
    events: tuple[str, ...] = Field(min_length=1, max_length=50)
    secrets: tuple[SecretReference, ...] = Field(min_length=1, max_length=4)
    network: Network = Network.PUBLIC
    mode: ContentMode = ContentMode.STRUCTURED
    payload: Payload = Payload.FULL
    timeout: Duration = Field(default=10.0, gt=0, le=60)
    concurrency: int = Field(default=4, ge=1, le=32)
    attempts: int = Field(default=8, ge=1, le=30)
    first_pause: Duration = Field(default=1.0, gt=0, le=3600)
    longest_pause: Duration = Field(default=900.0, gt=0, le=86_400)

    @property
    def subscriber(self) -> str:
        """Return the name of its cursor and its dead letters."""
        return SUBSCRIBER + self.name

    @property
    def rule(self) -> RetryRule:
        return RetryRule(self.attempts, self.first_pause, _FACTOR, self.longest_pause)

    @property
    def mesh_timeout_s(self) -> float:
        return self.timeout + _GRACE_S

    @property
    def shown_url(self) -> str:
        """Return the address without its query, for people."""
        return urlunsplit(urlsplit(self.url)._replace(query=""))


class _WebhooksFile(Noun):
    format: Literal[1]
    webhooks: tuple[Webhook, ...]


class WebhooksFlawedError(RuntimeError):
    """A file of webhooks that cannot be used stops the start; the text names each flaw with file and line."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("\n".join(str(flaw) for flaw in flaws))


@dataclass(frozen=True, slots=True)
class _Checking:
    document: Document
    secret: Callable[[str], str | None]

    def flaws(self, hooks: Sequence[Webhook]) -> Iterator[Flaw]:
        seen: set[str] = set()
        for index, hook in enumerate(hooks):
            here: Place = ("webhooks", index)
            if hook.name in seen:
                message = f"{hook.name} stands twice"
                yield self.document.flaw((*here, "name"), "repeated-webhook", message, "Rename one.")
            seen.add(hook.name)
            yield from self._events(here, hook)
            yield from self._address(here, hook)
            yield from self._secrets(here, hook)

    def _events(self, here: Place, hook: Webhook) -> Iterator[Flaw]:
        for place, pattern in enumerate(hook.events):
            try:
                matching_types([pattern], EventType)
            except PatternUnknownError as error:
                yield self.document.flaw((*here, "events", place), "unknown-event", error.what, error.hint)

    def _address(self, here: Place, hook: Webhook) -> Iterator[Flaw]:
        if hook.network is Network.PUBLIC and not hook.url.startswith("https:"):
            message = "what crosses a public network is encrypted: the address must begin with https"
            remedy = "Write https, or `network: private` if the receiver is on the inside."
            yield self.document.flaw((*here, "url"), "not-encrypted", message, remedy)

    def _secrets(self, here: Place, hook: Webhook) -> Iterator[Flaw]:
        for place, reference in enumerate(hook.secrets):
            at = (*here, "secrets", place)
            found = self.secret(reference)
            if found is None:
                message = f"{reference} names no secret"
                yield self.document.flaw(at, "no-secret", message, f"Provide it where GRACE is started. {_MAKE_ONE}")
                continue
            try:
                key_of(found)
            except SecretUnfitError as error:
                yield self.document.flaw(at, "unfit-secret", f"{reference}: {error}", _MAKE_ONE)


def load_webhooks(file: Path, secret: Callable[[str], str | None]) -> tuple[Webhook, ...]:
    """Return the webhooks of a file; raise WebhooksFlawedError naming every flaw. An absent file declares none.

    Secrets are looked up to see that they are there and fit; they are read again just before each message.
    """
    if not file.exists():
        return ()
    try:
        document = read_yaml(read_plain(file), str(file))
    except OSError as error:
        message = f"the webhooks cannot be read: {error.strerror}"
        flaw = Flaw(str(file), 1, 1, "unreadable", message, "Name another with GRACE_WEBHOOKS_FILE.")
        raise WebhooksFlawedError((flaw,)) from error
    if isinstance(document, Flaw):
        raise WebhooksFlawedError((document,))
    whole = parse(document, _WebhooksFile)
    if not isinstance(whole, _WebhooksFile):
        raise WebhooksFlawedError(whole)
    flaws = sorted(_Checking(document, secret).flaws(whole.webhooks))
    if flaws:
        raise WebhooksFlawedError(flaws)
    return whole.webhooks
