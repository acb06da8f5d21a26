"""The names of the fault points, so that a misspelt one is refused and not waited for."""

import difflib
import re
from typing import Final

FIXED: Final = frozenset(
    {
        "approval.answer.after",
        "approval.answer.before",
        "approval.request.after",
        "approval.request.before",
        "approval.use.after",
        "approval.use.before",
        "executor.command.run.before_note",
        "executor.command.run.end_noted",
        "executor.command.run.ended",
        "executor.command.run.given_up",
        "executor.command.run.noted",
        "executor.command.run.released",
        "executor.file.remove.after_rename",
        "executor.file.remove.before_rename",
        "executor.file.remove.cleared",
        "executor.http.request.answer_noted",
        "executor.http.request.answered",
        "executor.http.request.connected",
        "executor.http.request.noted",
        "executor.http.request.sent",
        "executor.process.signal.after_signal",
        "executor.process.signal.before_signal",
        "executor.process.terminate.after_end",
        "executor.process.terminate.before_signal",
        "executor.sqlite.checkpoint.after",
        "executor.sqlite.execute.after_commit",
        "executor.sqlite.execute.before_commit",
        "executor.sqlite.execute.changed",
        "filesystem.scan.read",
        "ledger.commit.before",
        "safehold.files.folder_finished",
        "safehold.files.made",
        "safehold.files.prepared",
        "safehold.files.read",
        "safehold.files.removed",
        "safehold.files.traded",
        "safehold.sqlite.after_undo",
        "safehold.sqlite.before_undo",
        "safehold.vault.renamed",
        "safehold.vault.staged",
        "snapshot.object.before",
        "store.commit.after",
        "store.commit.before",
        "undo.restore.after",
        "undo.restore.before",
    }
)
"""Those with one name; a test holds them against the code."""
_MOMENT: Final = "(?:before|after)"
_OF_EXECUTORS: Final = "before|after|noted|prepared|made|removed|before_rename|after_rename|before_mode|after_mode"
_NAMED: Final = re.compile(
    rf"executor\.[a-z0-9_]+(?:\.[a-z0-9_]+)+\.(?:{_OF_EXECUTORS})|gate\.[a-z0-9_]+(?:\.[a-z0-9_]+)+\.{_MOMENT}"
    rf"|deed\.(?:step|undo)\.{_MOMENT}"
)
"""Those that have the name of an action or a stage in them; an installed plug-in may bring its own actions."""
_OF_LEDGER: Final = re.compile(rf"ledger\.(?P<type>[a-z_]+(?:\.[a-z_]+)+)\.{_MOMENT}")
"""Those around the commit of an entry, with its type in them."""


def is_fault_point(name: str) -> bool:
    """Tell whether the code has a fault point of this name, or one of this form."""
    return name in FIXED or any(form.fullmatch(name) for form in (_NAMED, _OF_LEDGER))


def entry_type_of(name: str) -> str | None:
    """Return the type of entry that a fault point is at; None for one that is elsewhere."""
    found = _OF_LEDGER.fullmatch(name)
    return found["type"] if found and name not in FIXED else None


def nearest_fault_point(name: str) -> str | None:
    """Return the name that was probably meant."""
    near = difflib.get_close_matches(name, sorted(FIXED), n=1)
    return near[0] if near else None
