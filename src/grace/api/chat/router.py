"""Chat: a sentence in, an answer with links out, by the same verbs as everything else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, StringConstraints

from grace.api.access import TheHouse, Viewer
from grace.api.chat.answers import Answerer
from grace.api.chat.intents import AskWhatIsWrong, AskWhy, understand
from grace.api.chat.replies import Reply
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
    intent = understand(body.message)
    if isinstance(intent, AskWhy) and body.about and intent == AskWhy():
        intent = AskWhy(body.about)
    if intent == AskWhatIsWrong() and any(one.name == body.domain for one in house.declared.services()):
        intent = AskWhatIsWrong(body.domain)
    return Answerer(house, viewer).answer(intent)
