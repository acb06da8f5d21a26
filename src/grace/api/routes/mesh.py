"""The mesh: how far its subscribers are, what they could not take, and the webhooks among them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, NoReturn

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from grace.api.access import Admin, Operator, TheHouse, Viewer
from grace.api.house import House
from grace.api.paging import AskedEntries, Page, Wanted
from grace.api.problems import ProblemError, documented, not_found
from grace.api.texts import Reason
from grace.api.views import View
from grace.record.mesh.cursors import DeadLetter
from grace.record.mesh.delivery import SubscriberUnknownError
from grace.record.mesh.subscription import Progress
from grace.record.mesh.webhooks.declarations import Webhook

router = APIRouter(tags=["mesh"])

_MOST_LETTERS: Final = 500
_LARGEST_INDEX: Final = 2**53
_SHOWN: Final = 20
_NAME: Final = r"^[a-z0-9][a-z0-9_:-]{0,63}$"

Name = Annotated[str, Path(max_length=64, pattern=_NAME)]
Index = Annotated[int, Field(ge=0, le=_LARGEST_INDEX)]


class SubscriberView(View):
    """How far a subscriber is."""

    name: str
    state: str
    """`delivering`, `stuck` (too many deliveries hang) or `disabled` (it is gone; a person enables it)."""
    events: tuple[str, ...]
    concurrency: int
    delivered: int
    behind: int
    oldest_waiting_at: datetime | None
    under_way: int
    resting: int
    hanging: int
    dead_letters: int
    last_delivery_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    disabled_why: str | None


class DeadLetterView(View):
    """An entry that a subscriber could not take."""

    subscriber: str
    index: int
    attempts: int
    error: str
    at: datetime
    requeued_at: datetime | None


class WebhookView(View):
    """A declared webhook; its address is shown without the query, its secrets by reference."""

    name: str
    subscriber: str
    url: str
    events: tuple[str, ...]
    mode: str
    network: str
    payload: str
    secrets: tuple[str, ...]


class TestedView(View):
    """How a test message went."""

    name: str
    event_id: str
    taken: bool
    status: int | None
    why: str | None
    took_s: float


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Replayed(_Asked):
    """From which entry on a subscriber is to get them again."""

    from_index: Index
    reason: Reason = ""


class Why(_Asked):
    """Why a person does it."""

    reason: Reason = ""


class _Letters(_Asked):
    subscriber: Annotated[str, Field(max_length=64, pattern=_NAME)]
    indexes: list[Index] | None = Field(default=None, min_length=1, max_length=_MOST_LETTERS)


class RequeuedLetters(_Letters):
    """Which dead letters of a subscriber, null: all of them; and why they are offered again."""

    reason: Reason = ""


class DiscardedLetters(_Letters):
    """Which dead letters of a subscriber, null: all of them; and why they are given up."""

    reason: Annotated[Reason, Field(min_length=1)]


class Moved(View):
    """Which letters it was."""

    subscriber: str
    indexes: tuple[int, ...]


@router.get("/api/meta/subscribers")
def list_subscribers(_viewer: Viewer, house: TheHouse) -> Page[SubscriberView]:
    """List who gets events, how far each is, what hangs, and how many entries each could not take."""
    return Page(items=[_subscriber(told, dead) for told, dead in house.mesh.progress()])


@router.post("/api/mesh/subscribers/{name}/replay", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def replay(name: Name, asked: Replayed, operator: Operator, house: TheHouse) -> SubscriberView:
    """Deliver again to one subscriber from an index on; it must bear to see an entry twice."""
    last = house.record.head().size - 1
    if asked.from_index > last:
        why = f"There is no entry {asked.from_index} to begin at: the last entry of the ledger is {last}."
        raise ProblemError(HTTPStatus.CONFLICT, "beyond-the-log", why, f"Name an index up to {last}: grace mesh status")
    try:
        house.mesh.replay(name, asked.from_index, operator.name, asked.reason)
    except SubscriberUnknownError as error:
        _unknown(error)
    return _shown(house, name)


@router.post("/api/mesh/subscribers/{name}/enable", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
def enable(name: Name, asked: Why, operator: Operator, house: TheHouse) -> SubscriberView:
    """Deliver again to a subscriber that was gone, from where it stopped."""
    try:
        was_disabled = house.mesh.enable(name, operator.name, asked.reason)
    except SubscriberUnknownError as error:
        _unknown(error)
    if not was_disabled:
        raise ProblemError(HTTPStatus.CONFLICT, "subscriber-enabled", f"{name} is not disabled.", "grace mesh status")
    return _shown(house, name)


@router.get("/api/mesh/dead-letters")
def list_dead_letters(
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedEntries,
    subscriber: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[DeadLetterView]:
    """List the entries that subscribers could not take, in order of subscriber and index."""
    found = house.mesh.dead_letters(subscriber, _after(wanted), wanted.limit + 1)
    items = [DeadLetterView.model_validate(letter, from_attributes=True) for letter in found[: wanted.limit]]
    return Page(items=items, next_cursor=_cursor(found[wanted.limit - 1]) if len(found) > wanted.limit else None)


@router.post("/api/mesh/dead-letters/requeue", responses=documented(HTTPStatus.NOT_FOUND))
def requeue(asked: RequeuedLetters, operator: Operator, house: TheHouse) -> Moved:
    """Offer dead letters to their subscriber again, all that are named or none; those that fail come back here."""
    _require_subscriber(house, asked.subscriber)
    _require_letters(house, asked)
    moved = house.mesh.requeue(asked.subscriber, asked.indexes, operator.name, asked.reason)
    return Moved(subscriber=asked.subscriber, indexes=moved)


@router.post("/api/mesh/dead-letters/discard", responses=documented(HTTPStatus.NOT_FOUND))
def discard(asked: DiscardedLetters, admin: Admin, house: TheHouse) -> Moved:
    """Give dead letters up for good, with a reason that goes on the record; the entries themselves stay."""
    _require_letters(house, asked)
    moved = house.mesh.discard(asked.subscriber, asked.indexes, admin.name, asked.reason)
    return Moved(subscriber=asked.subscriber, indexes=moved)


@router.get("/api/mesh/webhooks")
def list_webhooks(_viewer: Viewer, house: TheHouse) -> Page[WebhookView]:
    """List the webhooks that are declared."""
    return Page(items=[_webhook(hook) for hook in house.outbox.hooks])


@router.post("/api/mesh/webhooks/{name}/test", responses=documented(HTTPStatus.NOT_FOUND))
def test_webhook(name: Name, operator: Operator, house: TheHouse) -> TestedView:
    """Send a test event to one webhook, once and now, past its queue; it stands on no record."""
    hook = house.outbox.named(name)
    if hook is None:
        known = ", ".join(sorted(each.name for each in house.outbox.hooks)) or "none"
        not_found("webhook", name, f"There are: {known}")
    tested = house.outbox.test(hook, operator.name)
    return TestedView(
        name=name,
        event_id=tested.event_id,
        taken=tested.is_taken,
        status=tested.status,
        why=tested.why,
        took_s=tested.took_s,
    )


def _require_subscriber(house: House, name: str) -> None:
    known = {told.name for told, _ in house.mesh.progress()}
    if name not in known:
        _unknown(SubscriberUnknownError(name, known))


def _require_letters(house: House, asked: _Letters) -> None:
    """Raise a 404 problem where an entry is named that is no dead letter of the subscriber; then nothing is moved."""
    missing = set(asked.indexes or ()) - {letter.index for letter in house.mesh.dead_letters(asked.subscriber)}
    if missing:
        named = ", ".join(map(str, sorted(missing)[:_SHOWN]))
        why = f"{asked.subscriber} has no dead letter {named}; nothing was moved."
        raise ProblemError(HTTPStatus.NOT_FOUND, "no-dead-letter", why, f"grace mesh letters {asked.subscriber}")


def _unknown(error: SubscriberUnknownError) -> NoReturn:
    raise ProblemError(HTTPStatus.NOT_FOUND, "no-subscriber", str(error), "grace mesh status") from error


def _shown(house: House, name: str) -> SubscriberView:
    return next(_subscriber(told, dead) for told, dead in house.mesh.progress() if told.name == name)


def _subscriber(told: Progress, dead: int) -> SubscriberView:
    state = "disabled" if told.disabled_why is not None else "stuck" if told.is_stuck else "delivering"
    return SubscriberView(
        name=told.name,
        state=state,
        events=tuple(sorted(kind.value for kind in told.types)),
        concurrency=told.concurrency,
        delivered=told.delivered,
        behind=told.behind,
        oldest_waiting_at=told.oldest_waiting_at,
        under_way=told.under_way,
        resting=told.resting,
        hanging=told.hanging,
        dead_letters=dead,
        last_delivery_at=told.last_delivery_at,
        last_error=told.last_error,
        last_error_at=told.last_error_at,
        disabled_why=told.disabled_why,
    )


def _webhook(hook: Webhook) -> WebhookView:
    return WebhookView(
        name=hook.name,
        subscriber=hook.subscriber,
        url=hook.shown_url,
        events=hook.events,
        mode=hook.mode.value,
        network=hook.network.value,
        payload=hook.payload.value,
        secrets=hook.secrets,
    )


def _cursor(letter: DeadLetter) -> str:
    return f"{letter.index}@{letter.subscriber}"


def _after(wanted: Wanted) -> tuple[str, int]:
    if wanted.cursor is None:
        return ("", -1)
    index, _, name = wanted.cursor.partition("@")
    if not (index.isascii() and index.isdigit() and len(index) <= len(str(_LARGEST_INDEX)) and name):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "cursor", "The cursor is not one that a page gave.", "Leave `cursor` out"
        )
    return (name, int(index))
