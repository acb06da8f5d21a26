"""Cause classes: the one vocabulary of what can be wrong, shared by knowledge, sentinel, playbooks and policies."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grace.model.diagnosis import UNKNOWN_CAUSE
from grace.model.noun import Noun

BENIGN_CAUSE: Final = "benign"
"""The message reports no fault: an answer of its own, which never acts."""
BY_HAND_CAUSE: Final = "by_hand"
"""No diagnosis: a person says what is to be done. Nothing is ever chosen for it."""


class CauseClass(Noun):
    """A class of causes: its name in playbooks and policies, what it means, and the class that it is a case of."""

    name: str
    title: str
    kind: str
    """The name of the class in the triage sets that the diagnosis is measured on."""
    broader: str | None = None
    """A playbook for the broader cause may heal this one too."""


_ALL: Final = (
    CauseClass(name="database_locked", kind="lock", title="A lock in a database is held by someone else"),
    CauseClass(name="lock_held", kind="lock", title="A file, device or job is held by another process"),
    CauseClass(name="permission_denied", kind="auth", title="Who asks may not do it, or is not known"),
    CauseClass(
        name="validation_error",
        kind="bad_input_config",
        title="A request, value, path or setting is not what it must be",
    ),
    CauseClass(name="timeout", kind="timeout", title="A wait ended before an answer came"),
    CauseClass(
        name="dependency_unavailable",
        kind="conn_refused",
        title="A dependency refuses, drops or does not serve connections",
    ),
    CauseClass(name="dns", kind="dns", title="A name cannot be resolved", broader="dependency_unavailable"),
    CauseClass(
        name="dependency_missing", kind="dependency_missing", title="A library, program or package is not there"
    ),
    CauseClass(
        name="resource_exhausted",
        kind="resource_limit",
        title="A limit on handles, processes, connections or sizes is reached",
    ),
    CauseClass(
        name="disk_full", kind="disk_full", title="There is no room left to write", broader="resource_exhausted"
    ),
    CauseClass(name="oom", kind="oom", title="There is no memory left", broader="resource_exhausted"),
    CauseClass(name="rate_limit", kind="rate_limit", title="Too many requests in a time; the other side slows us down"),
    CauseClass(name="tls_cert", kind="tls_cert", title="A certificate or a TLS handshake is not accepted"),
    CauseClass(name="data_corruption", kind="data_corruption", title="Stored or sent data is damaged"),
    CauseClass(name="crash_bug", kind="crash_bug", title="A program did what its authors did not mean it to do"),
    CauseClass(name=BENIGN_CAUSE, kind="other", title="The message reports no fault"),
)
CAUSES: Final[Mapping[str, CauseClass]] = MappingProxyType({one.name: one for one in _ALL})
NEVER_ACT: Final = frozenset({UNKNOWN_CAUSE, BENIGN_CAUSE})
"""Answers on which nothing is ever done."""


def is_a(cause: str, wanted: str) -> bool:
    """Tell whether a cause is the wanted one or a case of it."""
    here: str | None = cause
    while here is not None:
        if here == wanted:
            return True
        here = CAUSES[here].broader if here in CAUSES else None
    return False


def kind_of(cause: str) -> str:
    """Return the class that a cause counts as where diagnoses are measured; a cause of somebody's own is its own."""
    return CAUSES[cause].kind if cause in CAUSES else cause
