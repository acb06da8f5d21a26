"""Knowledge: the packs in force, their entries, search with citations, and what a message would be taken for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, JsonValue, StringConstraints

from grace.api.access import TheHouse, Viewer
from grace.api.house import KnowledgeCard, PackCard, Passage, Tried
from grace.api.paging import Page
from grace.api.problems import documented, not_found
from grace.api.texts import Identifier, recordable
from grace.api.views import Asked, View

router = APIRouter(prefix="/api/knowledge", tags=["knowledge"])

_MOST_PASSAGES = 50
_LONGEST_MESSAGE = 16_384


class Message(Asked):
    """What a program said."""

    message: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_MESSAGE), AfterValidator(recordable)]


class EntryDetail(View):
    """One entry as it stands in its pack."""

    pack: str
    kind: str
    entry: dict[str, JsonValue]


@router.get("")
def list_entries(_viewer: Viewer, house: TheHouse) -> Page[KnowledgeCard]:
    """List every entry of every pack in force."""
    return Page(items=list(house.knowledge.cards()))


@router.get("/packs")
def list_packs(_viewer: Viewer, house: TheHouse) -> Page[PackCard]:
    """List the packs in force, each with the digest of its content."""
    return Page(items=list(house.knowledge.packs()))


@router.get("/search")
def search(
    _viewer: Viewer,
    house: TheHouse,
    q: Annotated[
        str, Query(min_length=1, max_length=500, description="words, or a message"), AfterValidator(recordable)
    ],
    limit: Annotated[int, Query(ge=1, le=_MOST_PASSAGES)] = 5,
) -> Page[Passage]:
    """Search what is known; each passage names its source."""
    return Page(items=list(house.knowledge.search(q, limit)))


@router.post("/test")
def try_out(body: Message, _viewer: Viewer, house: TheHouse) -> Tried:
    """Say what a message would be taken for, from its text only; nothing is recorded, and nothing is looked at."""
    return house.knowledge.try_out(body.message)


@router.get("/{entry}", responses=documented(HTTPStatus.NOT_FOUND))
def get_entry(entry: Identifier, _viewer: Viewer, house: TheHouse) -> EntryDetail:
    """Show one entry: signature, checks, advice, examples and source."""
    found = house.knowledge.entry(entry)
    if found is None:
        not_found("knowledge entry", entry, "GET /api/knowledge")
    card = next(one for one in house.knowledge.cards() if one.id == entry)
    return EntryDetail(pack=card.pack, kind=card.kind, entry=found.to_json())
