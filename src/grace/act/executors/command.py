"""Commands: actions that start one program without a shell, watched from before its first instruction to its end."""

from __future__ import annotations

from collections.abc import Mapping

from grace.act.executors import Action
from grace.act.executors.command_edit import CommandEdit
from grace.act.executors.launching import tidy
from grace.act.executors.running import CommandRun
from grace.act.executors.workplace import Workplace


class CommandExecutor:
    """The actions that start programs."""

    def __init__(self, workplace: Workplace) -> None:
        self._actions: dict[str, Action] = {one.spec.name: one(workplace) for one in (CommandRun, CommandEdit)}

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions


def build(workplace: Workplace) -> CommandExecutor:
    """Make the executor; the entry point. First end and clear what an earlier life may have left."""
    tidy(workplace.folder, workplace.under_way)
    return CommandExecutor(workplace)
