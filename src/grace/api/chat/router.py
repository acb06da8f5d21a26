"""Chat: a sentence in, an answer with links out, by the same verbs as everything else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, StringConstraints

from grace.api.access import TheHouse, Viewer
from grace.api.chat.answers import Answerer
from grace.api.chat.intents import AskWhatIsWrong
from grace.api.chat.references import references_in, words_of
from grace.api.chat.replies import Reply
from grace.api.chat.sentences import understand
from grace.api.texts import recordable
from grace.api.views import Asked

router = APIRouter(prefix="/api/chat", tags=["chat"])

Message = Annotated[str, StringConstraints(max_length=4000), AfterValidator(recordable)]
Word = Annotated[str, StringConstraints(max_length=64), AfterValidator(recordable)]


class Said(Asked):
    """What somebody says."""

    message: Message
    domain: Word | None = None
    """What the question is about when the message names nothing: a service. Any other domain changes nothing."""
    about: Word | None = None
    """A run or an incident: what `this` means."""


@router.post("/")
def say(body: Said, viewer: Viewer, house: TheHouse) -> Reply:
    """Answer one message. A deed needs the role that it needs anywhere; an answer to a plan is given by link alone."""
    services = {one.name for one in house.declared.services()}
    intent = understand(body.message, services)
    if intent == AskWhatIsWrong() and body.domain in services:
        intent = AskWhatIsWrong(body.domain)
    references = references_in(words_of(body.message))
    return Answerer(house, viewer, body.about or None).answer(intent, references)
