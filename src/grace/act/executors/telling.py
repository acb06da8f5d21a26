"""Hands that only tell: targets and predictions for planning. They have no way to apply anything."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from grace.act.executors import Action
from grace.act.executors.gate import parse
from grace.model.target import Target
from grace.model.warrant import Refusal


class TellingHands:
    """Asks actions by name."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions

    def targets(self, uses: str, parameters: BaseModel) -> tuple[Target, ...] | Refusal:
        """Return the canonical targets that the call would write."""
        action = self._actions.get(uses)
        return _missing(uses) if action is None else action.targets(parameters)

    def predict(self, uses: str, parameters: BaseModel) -> Mapping[str, JsonValue] | Refusal:
        """Return what the call would write."""
        action = self._actions.get(uses)
        return _missing(uses) if action is None else action.predict(parameters)

    def predict_written(self, uses: str, parameters: Mapping[str, JsonValue]) -> Mapping[str, JsonValue] | Refusal:
        """Return what the call would write now, from parameters as a plan holds them."""
        action = self._actions.get(uses)
        if action is None:
            return _missing(uses)
        parsed = parse(action, parameters)
        return parsed if isinstance(parsed, Refusal) else action.predict(parsed)


def _missing(uses: str) -> Refusal:
    return Refusal(rule="unknown-action", why=f"there is no action {uses}", next="grace playbook lint")
