"""The allowance: what a service lets a plan write. Whatever it does not name is outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from grace.model.plan import Found
from grace.model.service import Service
from grace.model.target import Target

PROCESS: Final = "process"
PORT: Final = "port"
_NOT_PATHS: Final = frozenset({PROCESS, PORT, "url", "http"})
_NAME_OF_PROCESS: Final = ("pid", "started_at")


def outside_allowance(
    service: Service, target: Target, parameters: Mapping[str, JsonValue], finds: Sequence[Found]
) -> str | None:
    """Say why a call may not write this target; None when the service allows it.

    A process has no name that could be declared. It is allowed by what ties it to the service: the paths and ports
    that the call names, for the executor holds it to them, else those at which it was found. Each must be declared.
    """
    if any(allowed.covers(target.kind, target.id) for allowed in service.targets):
        return None
    if target.kind != PROCESS:
        return f"{target.kind} {target.id} is not among the targets of {service.name}"
    ties = list(_named_ties(parameters)) or list(_found_ties(parameters, finds))
    if not ties:
        return f"process {target.id} is tied to no path or port of {service.name}"
    foreign = sorted({str(tie) for tie in ties if not _declares(service, tie)})
    return (
        f"process {target.id} is tied to {', '.join(foreign)}, which {service.name} does not declare"
        if foreign
        else None
    )


def _named_ties(parameters: Mapping[str, JsonValue]) -> Iterator[str | int]:
    for word in ("holds", "listens", "pid_file"):
        tie = parameters.get(word)
        if isinstance(tie, str | int) and not isinstance(tie, bool):
            yield tie


def _found_ties(parameters: Mapping[str, JsonValue], finds: Iterable[Found]) -> Iterator[str | int]:
    process = parameters.get("process")
    for found in finds:
        if not (isinstance(process, dict) and isinstance(found.result, dict) and _is_same(process, found.result)):
            continue
        for word in ("path", "port"):
            tie = found.parameters.get(word)
            if isinstance(tie, str | int) and not isinstance(tie, bool):
                yield tie


def _is_same(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    return all(name in one and name in other and one[name] == other[name] for name in _NAME_OF_PROCESS)


def _declares(service: Service, tie: str | int) -> bool:
    if isinstance(tie, int):
        return any(allowed.kind == PORT and allowed.id == str(tie) for allowed in service.targets)
    if tie == service.pid_file:
        return True
    return any(allowed.kind not in _NOT_PATHS and allowed.covers(allowed.kind, tie) for allowed in service.targets)
