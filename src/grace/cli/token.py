"""`grace token`: access tokens, through the running server or on the data folder of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from grace.cli.calls import JsonObject, Session
from grace.cli.screen import marked
from grace.cli.views import TokenView
from grace.cli.visiting import command_file, online
from grace.cli.wording import ago, beginnings, now
from grace.model.quantities import duration_s

app = command_file()
token = command_file()
app.add_typer(token, name="token", help="Create, list and revoke access tokens.")

TOKENS = "/api/auth/tokens"


class RoleName(StrEnum):
    """What a token may do; each role but sender may also do what those before it may."""

    SENDER = "sender"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
