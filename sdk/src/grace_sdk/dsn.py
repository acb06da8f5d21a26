"""The one address of GRACE: `http://TOKEN@host:port/service?environment=production`.

Its query may also name a `release` and a `spool`, so that one variable, GRACE_DSN, says everything.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

EXAMPLE: Final = "http://TOKEN@127.0.0.1:8000/orders?environment=production"
_DEFAULT_ENVIRONMENT: Final = "production"
_OPTIONS: Final = ("environment", "release", "spool")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""What the server takes as the name of a service or an environment."""


class DsnError(ValueError):
    """A DSN that cannot be used; says what is missing and never repeats the token."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"The DSN cannot be used: {why}. It looks like {EXAMPLE}.")


class Dsn(NamedTuple):
    """Where signals go, with which token, and for which service."""

    server: str
    """Scheme, host, port and path prefix, without a slash at the end."""
    token: str
    service: str
    environment: str
    release: str = ""
    spool: str = ""

    def __repr__(self) -> str:
        return f"Dsn(server={self.server!r}, service={self.service!r}, environment={self.environment!r})"


def parse_dsn(text: str) -> Dsn:
    """Take a DSN apart, or raise DsnError."""
    parts, port = _split(text.strip())
    if not parts.hostname:
        why = "the host is missing"
        raise DsnError(why)
    if not parts.username:
        why = "the token before the @ is missing; `grace token create` makes one"
        raise DsnError(why)
    prefix, _, service = unquote(parts.path).rstrip("/").rpartition("/")
    if not service:
        why = "the service after the last / is missing; use its name in grace.yaml"
        raise DsnError(why)
    options = _options(parts.query)
    environment = options.get("environment", _DEFAULT_ENVIRONMENT)
    for what, name in (("service", service), ("environment", environment)):
        if not _NAME.fullmatch(name):
            why = f"the {what} {name!r} is no name that GRACE takes: lower-case letters, digits, and ._- inside"
            raise DsnError(why)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    server = f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{prefix}"
    release, spool = options.get("release", ""), options.get("spool", "")
    return Dsn(server, unquote(parts.username), service, environment, release, spool)


def _options(query: str) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(query).items()}
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        why = f"it has the unknown option {unknown[0]!r}; there are {', '.join(_OPTIONS)}"
        raise DsnError(why)
    return options


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        why = "it is not a URL"
        raise DsnError(why) from None
    if parts.scheme not in {"http", "https"}:
        why = "it must begin with http:// or https://"
        raise DsnError(why)
    return parts, port
