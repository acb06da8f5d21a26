"""`grace token`: access tokens, through the running server or on the data folder of this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Concatenate, Final, Protocol
from urllib.parse import urlsplit

import typer
from grace_sdk.client import ApiProblem
from grace_sdk.dsn import DsnError, parse_dsn

from grace import wiring
from grace.cli.addresses import announced, keep_token
from grace.cli.calls import CommandFailed, JsonObject, Session, require_beginning
from grace.cli.exits import Exit
from grace.cli.screen import Screen, marked
from grace.cli.starting import starting_told
from grace.cli.views import TokenView
from grace.cli.visiting import (
    JSON_OPTION,
    NO_ENTRY,
    Data,
    Server,
    Token,
    command_file,
    failures_told,
    open_session,
    with_options,
)
from grace.cli.wording import ago, now
from grace.model.quantities import duration_s
from grace.settings import load_client_settings, load_settings

app = command_file()
token = command_file()
app.add_typer(token, name="token", help="Create, list and revoke access tokens.")

_TOKENS: Final = "/api/auth/tokens"


class RoleName(StrEnum):
    """What a token may do; each but sender may also do what those before it may."""

    SENDER = "sender"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class TokenBook(Protocol):
    """Where tokens are kept: behind a server, or in a data folder that no server has open."""

    def issue(self, name: str, role: str, lifetime_s: float | None) -> JsonObject:
        """Return the new token and, this once, its secret."""
        ...

    def listed(self) -> Sequence[JsonObject]: ...

    def revoke(self, token_id: str) -> None: ...


class IssuedView(TokenView):
    """A fresh token with its secret."""

    secret: str


@dataclass(frozen=True, slots=True)
class ServersBook:
    """The tokens of a server."""

    session: Session

    def issue(self, name: str, role: str, lifetime_s: float | None) -> JsonObject:
        return self.session.post(_TOKENS, {"name": name, "role": role, "lifetime": lifetime_s})

    def listed(self) -> list[JsonObject]:
        return [item for item in self.session.items(_TOKENS) if isinstance(item, dict)]

    def revoke(self, token_id: str) -> None:
        self.session.client.delete(f"{_TOKENS}/{token_id}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a token command works with."""

    screen: Screen
    book: TokenBook
    folder: Path
    """The data folder of this machine."""
    address: str
    """Where the server answers, or will."""


def on_book(command: Callable[Concatenate[Desk, ...], None]) -> Callable[..., None]:
    """Make a command that works through a server, or on a data folder where none runs."""

    def run(*, as_json: bool, server: str, token: str, data: Path | None, **given: object) -> None:
        screen = Screen(as_json=as_json)
        with failures_told(screen):
            folder = load_client_settings(data_folder=data).data_folder
            with _book(screen, server, token, folder) as book, _locked_out_told(folder):
                command(Desk(screen, book, folder, _address(book, folder)), **given)

    return with_options(
        run, command, {"server": (Server, ""), "token": (Token, ""), "data": (Data, None), **JSON_OPTION}
    )


@contextmanager
def _locked_out_told(folder: Path) -> Generator[None]:
    """Say how to get in: the command that makes a token is the one that needs one."""
    try:
        yield
    except ApiProblem as problem:
        if problem.status not in NO_ENTRY:
            raise
        here = announced(folder)
        stop = f"stop the server (kill {here.pid})" if here is not None else "stop the server, on its machine"
        advice = f"show an admin's token: --token or GRACE_TOKEN; where none is left, {stop} and say this again"
        raise CommandFailed(Exit.REFUSED, f"{problem.title}: {problem.detail}", advice) from problem


def _address(book: TokenBook, folder: Path) -> str:
    if isinstance(book, ServersBook):
        return book.session.client.address
    settings = load_settings(data_folder=folder)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


@contextmanager
def _book(screen: Screen, server: str, secret: str, folder: Path) -> Generator[TokenBook]:
    """Open the tokens of the server that is named or runs on the data folder, else of the folder itself."""
    if server or load_client_settings().server or announced(folder):
        with open_session(screen, server, secret, folder) as session:
            yield ServersBook(session)
        return
    with starting_told(), wiring.open_tokens(load_settings(data_folder=folder)) as book:
        yield book


@token.command()
@on_book
def create(
    desk: Desk,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who it is for: what they do is recorded under this name.")
    ],
    *,
    role: Annotated[RoleName, typer.Option(help="What it may do.")],
    expires: Annotated[str, typer.Option(metavar="DURATION", help="Such as 1h or 30d; else it does not expire.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Use it for later commands on this data folder.")] = False,
    dsn: Annotated[str, typer.Option("--dsn", metavar="SERVICE", help="Print the whole GRACE_DSN of a service.")] = "",
) -> None:
    """Create a token and print its secret: the only time it can be seen."""
    lifetime_s = _lifetime_s(expires)
    if dsn:
        _dsn(desk, "TOKEN", dsn)  # before a token is made for nothing
    document = desk.book.issue(name, role, lifetime_s)
    issued = IssuedView.model_validate(document)
    if keep:
        keep_token(desk.folder, issued.secret)
    screen = desk.screen
    if screen.as_json:
        screen.data(document | ({"dsn": _dsn(desk, issued.secret, dsn)} if dsn else {}))
        return
    screen.line(_dsn(desk, issued.secret, dsn) if dsn else issued.secret)
    screen.aside(f"{issued.role} {issued.name}, {_until(issued)}; this secret is not shown again.")
    if dsn:
        _warn_of(desk)


@token.command("list")
@on_book
def list_tokens(desk: Desk) -> None:
    """List tokens without their secrets."""
    documents, screen = desk.book.listed(), desk.screen
    if screen.as_json:
        screen.data({"items": list(documents)})
        return
    found = [TokenView.model_validate(document) for document in documents]
    screen.table(
        ("token", "name", "role", "state"),
        ((one.id, one.name, one.role, marked("closed", "revoked") if one.revoked_at else _until(one)) for one in found),
    )


@token.command()
@on_book
def revoke(
    desk: Desk,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="A unique beginning of a token's id.")],
) -> None:
    """End a token and every session opened with it."""
    require_beginning(token_id, "token")
    known = [str(one["id"]) for one in desk.book.listed()]
    found = [one for one in known if one.lower().startswith(token_id.lower())]
    if len(found) != 1:
        why = "more than one token begins" if found else "no token begins"
        raise CommandFailed(Exit.USAGE, f"{why} with {token_id}", "grace token list")
    try:
        desk.book.revoke(found[0])
    except LookupError as error:
        raise CommandFailed(Exit.REFUSED, f"{found[0]} is revoked already", "grace token list") from error
    if desk.screen.as_json:
        desk.screen.data({"id": found[0], "revoked": True})
        return
    desk.screen.line(marked("closed", f"{found[0]} is revoked"))


def _dsn(desk: Desk, secret: str, service: str) -> str:
    """Return what GRACE_DSN has to be for a service that sends to this server; refuse one that can never work."""
    if desk.address.endswith(":0"):
        sentence = "--dsn: the port is any free one (GRACE_PORT=0), and no server runs whose port could be named"
        raise CommandFailed(Exit.USAGE, sentence, "grace serve, then this again; or name a port with GRACE_PORT")
    scheme, _, rest = desk.address.rstrip("/").partition("://")
    written = f"{scheme}://{secret}@{rest}/{service}"
    try:
        parse_dsn(written)
    except DsnError as error:
        raise CommandFailed(Exit.USAGE, f"--dsn {service}: {error.why}", "use a name from grace.yaml") from error
    return written


def _warn_of(desk: Desk) -> None:
    """Say what keeps a DSN from working yet."""
    if not isinstance(desk.book, ServersBook):
        desk.screen.aside(f"No server runs on {desk.folder} now: the DSN works once it answers at {desk.address}.")
    host = urlsplit(desk.address).hostname
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - told of, not listened on
        desk.screen.aside(f"{host} names every address: write the one by which the service reaches this machine.")


def _lifetime_s(written: str) -> float | None:
    try:
        return duration_s(written) if written else None
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"--expires: {error}", "--expires 1h") from error


def _until(one: TokenView) -> str:
    return "does not expire" if one.expires_at is None else f"expires {ago(one.expires_at, now())}"
