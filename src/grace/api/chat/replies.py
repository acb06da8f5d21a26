"""Replies: what chat says, and beside it the same as data: links to what it is about, sources, and why not."""

from __future__ import annotations

from pydantic import Field, JsonValue

from grace.api.views import View


class Link(View):
    """Where to go on: an address of this API and the command that shows the same."""

    rel: str
    href: str
    command: str


class Citation(View):
    """Where a sentence comes from."""

    entry: str
    title: str
    source: str


class RefusedView(View):
    """What was asked for and not done."""

    rule: str
    why: str
    next: str = ""


class Metadata(View):
    """The reply as data."""

    intent: str
    links: list[Link] = Field(default_factory=list[Link])
    citations: list[Citation] = Field(default_factory=list[Citation])
    refused: RefusedView | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Reply(View):
    response: str
    metadata: Metadata


def link_to(noun: str, identity: str) -> Link:
    """Return the way to a run, an incident or an approval."""
    match noun:
        case "run":
            return Link(rel="run", href=f"/api/runs/{identity}/explain", command=f"grace explain {identity}")
        case "incident":
            return Link(rel="incident", href=f"/api/incidents/{identity}/explain", command=f"grace explain {identity}")
        case "approval":
            return Link(rel="approval", href=f"/api/autonomy/approvals/{identity}", command=f"grace approve {identity}")
        case _:
            message = f"nothing links to a {noun}"
            raise ValueError(message)
