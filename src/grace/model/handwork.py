"""Handwork: what a person wants done by hand, under the same care as any plan."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from grace.model.noun import Noun
from grace.model.quantities import AbsolutePath, Duration

BY_HAND = "by-hand"
"""The name of the playbook that is made of a command, for one run."""
LONGEST_COMMAND = 256

Word = Annotated[str, Field(max_length=32 * 1024)]


class AskedByHand(Noun):
    """A command, what it may write, how it is taken back, and what must hold afterwards."""

    service: str
    environment: str | None = None
    """Needed only where several environments have a service of this name."""
    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=LONGEST_COMMAND)]
    writes: Annotated[tuple[AbsolutePath, ...], Field(max_length=16)] = ()
    """Files that it changes: they exist, are kept before and given back exactly."""
    creates: Annotated[tuple[AbsolutePath, ...], Field(max_length=16)] = ()
    """Files that it makes: they need not exist."""
    undo: Annotated[tuple[Word, ...], Field(max_length=LONGEST_COMMAND)] = ()
    """The command that takes back what lies beside the files."""
    expect: Annotated[tuple[dict[str, JsonValue], ...], Field(max_length=20)] = ()
    """Clauses as a playbook writes them under `after`; the times may be left out."""
    within: Annotated[Duration, Field(le=86_400)] = 30.0
    lasting: Annotated[Duration, Field(gt=0, le=86_400)] = 5.0
    timeout: Annotated[Duration, Field(gt=0, le=3600)] = 60.0
    cwd: AbsolutePath = "/"
    reason: str = ""


class Handwork(Noun):
    """What a run by hand was opened with."""

    recipe: str
    """The playbook that was made of the command, as JSON: what is rendered is this and no other."""
    key: str = ""
    """What the person who asked called it; asked again under the same name it is the same run."""
    has_own_incident: bool = False
    """Whether its incident was opened for nothing but this."""
