from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from grace_sdk.annotating import NamedTuple
from grace_sdk.dsn import Dsn, DsnError, parse_dsn

_HEAVY = {
    "asyncio",
    "contextlib",
    "dataclasses",
    "email",
    "enum",
    "http",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "pathlib",
    "re",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "typing",
    "urllib",
}


def _modules_after(code: str) -> set[str]:
    listing = "import sys; before = set(sys.modules); " + code + "; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-I", "-S", "-c", listing], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in result.stdout.split()}


def _import_sdk(module: str) -> str:
    package = __import__("grace_sdk").__path__[0].rpartition("/")[0]
    return f"sys.path.append({package!r}); import {module}"


def test_importing_the_sdk_loads_nothing_heavy() -> None:
    loaded = _modules_after(_import_sdk("grace_sdk"))
    assert "grace_sdk" in loaded
    assert loaded & _HEAVY == set()


class _Named(NamedTuple):
    """What it is for."""

    name: str
    size: int = 3

    def doubled(self) -> int:
        return 2 * self.size


def test_named_tuples_are_those_of_typing() -> None:
    named = _Named("a")
    assert named == ("a", 3)
    assert (named.doubled(), _Named("b", size=4).doubled()) == (6, 8)
    assert named._replace(name="c") == _Named("c", 3)
    assert _Named._fields == ("name", "size")
    assert (_Named.__name__, _Named.__qualname__, _Named.__module__) == ("_Named", "_Named", __name__)
    assert _Named.__doc__ == "What it is for."
    assert pickle.loads(pickle.dumps(named)) == named  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "module",
    [
        "grace_sdk.asgi",
        "grace_sdk.beginning",
        "grace_sdk.client",
        "grace_sdk.delivery",
        "grace_sdk.loops",
        "grace_sdk.rendering",
        "grace_sdk.spool",
        "grace_sdk.wsgi",
    ],
)
def test_the_sdk_needs_the_standard_library_only(module: str) -> None:
    loaded = {name for name in _modules_after(_import_sdk(module)) if not name.startswith("_")}
    assert loaded - {"grace_sdk"} <= sys.stdlib_module_names


def test_a_dsn_names_server_token_service_and_environment() -> None:
    assert parse_dsn("http://tok%40en@127.0.0.1:8000/orders?environment=drill") == Dsn(
        "http://127.0.0.1:8000", "tok@en", "orders", "drill"
    )
    assert parse_dsn(" https://t@grace.example/prefix/big%2Dshop ") == Dsn(
        "https://grace.example/prefix", "t", "big-shop", "production"
    )
    assert parse_dsn("http://t@[::1]:80/s").server == "http://[::1]:80"
    assert parse_dsn("http://t@h/s?release=1.4&spool=%2Fvar%2Flib%2Fs")[4:] == ("1.4", "/var/lib/s")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must begin with"),
        ("orders", "must begin with"),
        ("file:///etc", "must begin with"),
        ("http://t@/orders", "the host is missing"),
        ("http://host/orders", "the token before the @ is missing"),
        ("http://s3cret@host", "the service after the last / is missing"),
        ("http://s3cret@host:port/orders", "it is not a URL"),
        ("http://s3cret@host/Orders", "the service 'Orders' is no name that GRACE takes"),
        ("http://s3cret@host/orders?environment=a b", "the environment 'a b' is no name that GRACE takes"),
        ("http://s3cret@host/orders?enviroment=drill", "it has the unknown option 'enviroment'; there are environment"),
    ],
)
def test_a_dsn_that_cannot_be_used_says_why_and_never_shows_the_token(text: str, why: str) -> None:
    with pytest.raises(DsnError, match=why) as caught:
        parse_dsn(text)
    assert "s3cret" not in str(caught.value)
    assert "It looks like" in str(caught.value)


def test_a_dsn_does_not_print_its_token() -> None:
    assert "s3cret" not in repr(parse_dsn("http://s3cret@host/orders"))
