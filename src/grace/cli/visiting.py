"""What every command has in common: `--json`, the way to the server, and failures told with a next step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Concatenate, Final, Protocol, cast

import typer
from grace_sdk.client import ApiProblem, Client, ServerUnreachable

from grace.cli.addresses import DEFAULT, find_address
from grace.cli.calls import CommandFailed, Session
from grace.cli.exits import Exit
from grace.cli.screen import Screen
from grace.settings import SettingsInvalidError, StartRefusedError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Server = Annotated[
    str, typer.Option("--server", metavar="URL", help="Else GRACE_SERVER, else the server of the data folder.")
]
Token = Annotated[
    str, typer.Option("--token", metavar="SECRET", help="Else GRACE_TOKEN, else the one kept by `token create --keep`.")
]

Data = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="The data folder; else GRACE_DATA_FOLDER.")]

Added = Mapping[str, tuple[object, object]]
"""Options by name: their annotation and what they are when they are not given."""

JSON_OPTION: Final[Added] = {"as_json": (AsJson, False)}
NO_ENTRY: Final = frozenset({401, 403})
_REFUSED: Final = frozenset({401, 403, 409, 410, 412})
_MISUSED: Final = frozenset({400, 404, 405, 413, 415, 422})
_GET_TOKEN: Final = "grace token create NAME --role operator --keep"  # noqa: S105 - a command


def command_file() -> typer.Typer:
    """Return the Typer of one file of commands."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def online(command: Callable[Concatenate[Session, ...], None], timeout_s: float = 30.0) -> Callable[..., None]:
    """Make a command that talks to the server: it receives a Session instead of the options that every command has."""

    def run(*, as_json: bool, server: str, token: str, **given: object) -> None:
        screen = Screen(as_json=as_json)
        with failures_told(screen), open_session(screen, server, token, timeout_s=timeout_s) as session:
            command(session, **given)

    return with_options(run, command, {"server": (Server, ""), "token": (Token, ""), **JSON_OPTION})


def offline(command: Callable[Concatenate[Screen, ...], None]) -> Callable[..., None]:
    """Make a command that needs no server: it receives the Screen."""

    def run(*, as_json: bool, **given: object) -> None:
        screen = Screen(as_json=as_json)
        with failures_told(screen):
            command(screen, **given)

    return with_options(run, command, JSON_OPTION)


@contextmanager
def failures_told(screen: Screen) -> Generator[None]:
    """Turn every expected failure into a sentence, the next command to try, and an exit code."""
    try:
        yield
    except CommandFailed as failed:
        code, sentence, next_step = failed.code, failed.sentence, failed.next_step
    except ServerUnreachable as error:
        code, sentence = Exit.UNREACHABLE, f"GRACE does not answer at {error.address}: {error.reason}"
        next_step = "grace serve, or name another address with --server"
    except ApiProblem as problem:
        code = _code_of(problem.status)
        sentence = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
        next_step = problem.next or (_GET_TOKEN if problem.status in NO_ENTRY else "grace status")
    except SettingsInvalidError as error:
        code, sentence, next_step = Exit.USAGE, "; ".join(error.problems), "read docs/settings.md"
    except StartRefusedError as error:
        code, sentence, next_step = Exit.REFUSED, str(error), "do what it says, then start again"
    except UnicodeEncodeError:
        code, sentence, next_step = Exit.USAGE, "an argument holds letters that cannot be sent", "type it again"
    except BrokenPipeError:
        raise  # whoever read our answer has enough of it
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code, sentence, next_step = (
            Exit.FAULT,
            f"{where}{error.strerror}",
            "check the path, its permissions and its disk",
        )
    else:
        return
    screen.error(sentence, next_step, code)
    raise typer.Exit(code)


def _code_of(status: int) -> Exit:
    if status in _REFUSED:
        return Exit.REFUSED
    return Exit.USAGE if status in _MISUSED else Exit.FAULT


@contextmanager
def open_session(
    screen: Screen, server: str, token: str, data: Path | None = None, timeout_s: float = 30.0
) -> Generator[Session]:
    """Open a way to the server that is named, or to that of the data folder."""
    address = find_address(server, token, data)
    if not (address.token.isascii() and address.token.isprintable()):
        raise CommandFailed(Exit.USAGE, "the token has letters that no token has", _GET_TOKEN)
    try:
        client = Client(address.url, address.token, timeout_s=timeout_s)
    except ValueError as error:
        sentence = f"{address.url!r} is not the address of a server: {error}"
        raise CommandFailed(Exit.USAGE, sentence, f"--server {DEFAULT}") from error
    with client:
        yield Session(client=client, screen=screen)


def with_options(run: Callable[..., None], command: Callable[..., None], options: Added) -> Callable[..., None]:
    """Give `run` the name and words of a command, and its parameters with options in the place of the first one."""
    functools.update_wrapper(run, command)
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]
    signature = inspect.Signature([*own, *added])
    typed = cast("_Typed", run)
    typed.__signature__ = signature
    typed.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


class _Typed(Protocol):
    """A function whose parameters are told to Typer."""

    __signature__: inspect.Signature
    __annotations__: dict[str, object]
