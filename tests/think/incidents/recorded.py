"""Recorded events of another tracker, as signals: exceptions of many languages, with frames or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from grace.model.signal import Frame, Raised, Signal, SignalKind
from tests.think.incidents.signals import said


def recorded_exceptions(folder: Path) -> dict[str, Signal]:
    """Return every event that tells of an exception, by the name of its file."""
    signals: dict[str, Signal] = {}
    for path in sorted(folder.glob("*/*.json")):
        raised = _raised_in(json.loads(path.read_text()))
        if raised:
            plain = said("x", kind=SignalKind.EXCEPTION)
            signals[f"{path.parent.name}/{path.stem}"] = plain.model_copy(
                update={"exception": raised[-1], "chain": tuple(raised[:-1])}
            )
    return signals


def _raised_in(event: Any) -> list[Raised]:
    exception = cast("dict[str, Any] | list[Any]", event.get("exception") or [])
    values = exception.get("values") if isinstance(exception, dict) else exception
    return [_raised(value) for value in cast("list[Any]", values or []) if value]


def _raised(value: Any) -> Raised:
    stacktrace: Any = value.get("stacktrace")
    frames = cast("list[Any]", stacktrace["frames"] or []) if stacktrace else []
    return Raised(
        type=str(value.get("type") or "unknown"),
        module=str(value.get("module") or ""),
        message=str(value.get("value") or ""),
        frames=tuple(_frame(item) for item in frames if item),
    )


def _frame(item: Any) -> Frame:
    return Frame(
        module=str(item.get("module") or ""),
        function=str(item.get("function") or ""),
        file=str(item.get("filename") or item.get("abs_path") or ""),
        line=item.get("lineno"),
        in_app=bool(item.get("in_app")),
    )
