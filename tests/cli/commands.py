"""Every command there is, as the documentation and the help name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.core import TyperGroup

from grace.cli.program import COMMANDS, command_named

OF_EVERY_COMMAND = frozenset({"--help"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or option as Typer knows it."""

    name: str
    help: str
    options: tuple[str, ...]
    """How it is written; none for an argument."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command that does something."""

    help: str
    params: tuple[Parameter, ...]
    typer: Any


def leaves() -> Iterator[tuple[str, Leaf]]:
    """Yield each command under its whole name, such as `grace ledger verify`."""
    for name in COMMANDS:
        command = command_named(name)
        if isinstance(command, TyperGroup):
            for sub, one in command.commands.items():
                yield f"grace {name} {sub}", _leaf(one)
        else:
            yield f"grace {name}", _leaf(command)


def _leaf(command: Any) -> Leaf:
    params = tuple(
        Parameter(str(one.name), one.help or "", (*one.opts, *one.secondary_opts) if hasattr(one, "is_flag") else ())
        for one in command.params
    )
    return Leaf(command.help or "", params, command)
