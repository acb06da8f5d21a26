"""Severity: how bad something is, by tables of exception families, error codes, logging levels and HTTP statuses.

What a message says has no say: an `author` is not an `auth` and `no critical errors` is no critical error. A family is
found by class, nearest ancestor first, and a class of another distribution by its name, so that nothing is imported.
"""

from __future__ import annotations

import errno
from types import GetSetDescriptorType, MemberDescriptorType

from grace_sdk.annotating import NamedTuple, cast

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Literal, TypeAlias, TypeGuard

    Severity: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
    _Rule: TypeAlias = "Severity | Callable[[BaseException], Severity]"

SEVERITIES: Final[tuple[str, ...]] = ("debug", "info", "warning", "error", "critical")


class Ranked(NamedTuple):
    """From this value up, this bad."""

    least: int
    severity: Severity


LEVELS: Final = (Ranked(50, "critical"), Ranked(40, "error"), Ranked(30, "warning"), Ranked(20, "info"))
"""Logging levels; what is below is debug."""
STATUSES: Final = (Ranked(500, "error"), Ranked(430, "info"), Ranked(429, "warning"), Ranked(100, "info"))
"""HTTP statuses: the server failed, it turned callers away, a caller erred."""

_SHORT_OF_SOMETHING: Final = frozenset(
    {
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
    }
)
"""What the whole process or machine has run out of, or lost."""
_SQLITE_BROKEN: Final = frozenset({10, 11, 13, 26})
"""SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB."""
_SQLITE_PRIMARY: Final = 0xFF
_SQLSTATE_CLASSES_BROKEN: Final = ("53", "58", "XX")
"""PostgreSQL: insufficient resources, system error, internal error."""


def severity_of(exc: BaseException) -> Severity:
    """Rank an exception by its family, and within some families by the code that it carries."""
    kind = type(exc)
    rule = _BUILTIN.get(kind) or _found(type.__dict__["__mro__"].__get__(kind))
    return cast("Severity", rule) if isinstance(rule, str) else rule(exc)


def severity_of_kind(kind: type[BaseException]) -> Severity:
    """Rank a class of exceptions of which there is no instance; a family that looks at codes counts as error."""
    rule = _found(type.__dict__["__mro__"].__get__(kind))
    return cast("Severity", rule) if isinstance(rule, str) else "error"


def severity_of_level(level: int) -> Severity:
    return _ranked(LEVELS, level, "debug")


def severity_of_status(status: int) -> Severity:
    return _ranked(STATUSES, status, "error")


def _ranked(table: tuple[Ranked, ...], value: int, otherwise: Severity) -> Severity:
    return cast("Severity", next((row.severity for row in table if value >= row.least), otherwise))


def _found(family: tuple[type, ...]) -> _Rule:
    for kind in family:
        rule = _BUILTIN.get(kind)
        if rule is not None:
            return rule
        if kind.__name__ in _NAMES:
            rule = FOREIGN_FAMILIES.get(f"{kind.__module__}.{kind.__qualname__}")
            if rule is not None:
                return rule
    return "error"


def _by_errno(exc: BaseException) -> Severity:
    return "critical" if isinstance(exc, OSError) and exc.errno in _SHORT_OF_SOMETHING else "error"


def _by_sqlite_code(exc: BaseException) -> Severity:
    code = _attribute(exc, "sqlite_errorcode")
    return "critical" if isinstance(code, int) and code & _SQLITE_PRIMARY in _SQLITE_BROKEN else "error"


def _by_sqlstate(exc: BaseException) -> Severity:
    state = _attribute(exc, "sqlstate") or _attribute(exc, "pgcode")
    return "critical" if isinstance(state, str) and state.startswith(_SQLSTATE_CLASSES_BROKEN) else "error"


def _by_original(exc: BaseException) -> Severity:
    original = _attribute(exc, "orig")
    return severity_of(original) if isinstance(original, BaseException) else "error"


def _by_status(exc: BaseException) -> Severity:
    for name in ("status_code", "status", "code"):
        code = _attribute(exc, name)
        if isinstance(code, int):
            return severity_of_status(code)
    return "error"


def _by_worst_member(exc: BaseException) -> Severity:
    return max(map(severity_of, exc.exceptions), key=SEVERITIES.index) if _is_group(exc) else "error"


def _is_group(exc: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(exc, BaseExceptionGroup)


def _attribute(exc: BaseException, name: str) -> object:
    """Look where an object keeps its own values, then at its class; code of the application is not run for it."""
    own = object.__getattribute__(exc, "__dict__")
    if name in own:
        return own[name]
    for kind in type.__dict__["__mro__"].__get__(type(exc)):
        held = type.__dict__["__dict__"].__get__(kind).get(name)
        if held is not None:
            # A value of the class is the answer; of descriptors only those made in C are asked.
            is_made_in_c = isinstance(held, MemberDescriptorType | GetSetDescriptorType)
            return held.__get__(exc, type(exc)) if is_made_in_c else held
    return None


FAMILIES: Final[dict[type[BaseException], _Rule]] = {
    BaseException: "error",
    BaseExceptionGroup: _by_worst_member,
    ExceptionGroup: _by_worst_member,
    # Orders to stop are no failures.
    GeneratorExit: "debug",
    KeyboardInterrupt: "info",
    SystemExit: "info",
    # The process can no longer be trusted, or the machine is out of something.
    MemoryError: "critical",
    SystemError: "critical",
    OSError: _by_errno,
    # The operation may be tried again at once, says the name.
    BlockingIOError: "warning",
    InterruptedError: "warning",
    Warning: "warning",
    DeprecationWarning: "info",
    FutureWarning: "info",
    ImportWarning: "info",
    PendingDeprecationWarning: "info",
}
"""Families that Python itself brings."""
FOREIGN_FAMILIES: Final[dict[str, _Rule]] = {
    "asyncio.exceptions.CancelledError": "info",
    "concurrent.futures._base.CancelledError": "info",
    "aiohttp.client_exceptions.ClientResponseError": _by_status,
    "aiohttp.web_exceptions.HTTPException": _by_status,
    "django.core.exceptions.PermissionDenied": "info",
    "django.http.response.Http404": "info",
    "psycopg.Error": _by_sqlstate,
    "psycopg2.Error": _by_sqlstate,
    "sqlalchemy.exc.DBAPIError": _by_original,
    "sqlite3.Error": _by_sqlite_code,
    "starlette.exceptions.HTTPException": _by_status,
    "urllib.error.HTTPError": _by_status,
    "werkzeug.exceptions.HTTPException": _by_status,
}
"""Families of libraries, by the dotted name of their class."""
_NAMES: Final = frozenset(name.rpartition(".")[2] for name in FOREIGN_FAMILIES)


def _builtin_rules() -> dict[type[BaseException], _Rule]:
    """Give every exception of Python the rule of its nearest ancestor, so that the common case is one lookup."""
    rules: dict[type[BaseException], _Rule] = {}
    waiting: list[tuple[type[BaseException], _Rule]] = [(BaseException, "error")]
    while waiting:
        kind, inherited = waiting.pop()
        rules[kind] = FAMILIES.get(kind, inherited)
        below = (child for child in type.__subclasses__(kind) if child.__module__ == "builtins")
        # A built-in class below one that is ranked by code stands for a code of its own, and no grave one.
        passed_on: _Rule = rules[kind] if isinstance(rules[kind], str) else "error"
        waiting.extend((child, passed_on) for child in below)
    return rules


_BUILTIN: Final = _builtin_rules()
PLAINLY_RANKED: Final[dict[type[BaseException], str]] = {
    kind: rule for kind, rule in _BUILTIN.items() if isinstance(rule, str)
}
"""Exceptions of Python itself whose class alone says how bad they are."""
