"""Lists of incidents and runs, shared by the commands that show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from grace.cli.screen import Screen, marked
from grace.cli.views import IncidentView, RunView
from grace.cli.wording import ago, beginnings, now

Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]


def show_incidents(screen: Screen, incidents: Sequence[IncidentView]) -> None:
    """Print one line for each incident."""
    shorten, moment = beginnings(one.id for one in incidents), now()
    screen.table(
        ("incident", "state", "service", "cause", "signals", "last", "handed to", "title"),
        (
            (
                shorten(one.id),
                marked(one.state),
                one.service,
                one.cause or "-",
                str(one.count),
                ago(one.last_seen, moment),
                one.escalation.to if one.escalation else "-",
                one.title,
            )
            for one in incidents
        ),
    )


def show_runs(screen: Screen, runs: Sequence[RunView]) -> None:
    """Print one line for each run."""
    shorten, moment = beginnings(one.id for one in runs), now()
    screen.table(
        ("run", "state", "since", "kind", "service", "playbook", "tier", "opened", "by"),
        (
            (
                shorten(one.id),
                marked(one.state),
                one.since or "-",
                one.kind,
                one.service,
                one.playbook or "-",
                str(one.tier or "-"),
                ago(one.opened_at, moment),
                one.requested_by,
            )
            for one in runs
        ),
    )
