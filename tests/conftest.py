"""Rules for every test: no skip in CI, no network beyond this machine, no blocking call in the event loop."""

import os
import shutil
import sys
from collections.abc import Callable, Generator
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

pytest_plugins = ["pytester"]

ROOT: Final = Path(__file__).resolve().parents[1]
NOTHING_MAY_SKIP: Final = os.environ.get("GRACE_TESTS_REQUIRE_ALL") == "1"
MARKED_TOOLS: Final = {"docker": "dockerd", "browser": "chromium"}

LONGEST_FIRST: Final = (
    "tests/crash/",
    "tests/conformance/",
    "tests/powercut/",
    "tests/patterns/",
    "tests/first_hour/",
    "tests/demo/",
    "tests/drill/",
    "tests/machine/",
    "tests/sense/discovery/",
    "tests/bench/",
    "tests/examples/",
    "tests/cli/",
    "tests/api/",
)
"""What is handed out first where processes share the tests: none shall be alone with something long at the end."""
MOST_WORKERS: Final = 4

hypothesis.settings.register_profile("grace", deadline=None, print_blob=True)
hypothesis.settings.load_profile("grace")


class NetworkUsedError(AssertionError):
    """A test spoke to an address beyond this machine."""


def _stay_on_this_machine(event: str, args: tuple[object, ...]) -> None:
    match event, args:
        case ("socket.connect" | "socket.sendto", (_, tuple())):
            host = str(cast("tuple[object, ...]", args[1])[0])
        case ("socket.getaddrinfo", (str() as host, *_)):
            pass
        case _:
            return
    if not _is_here(host):
        message = f"tests stay on this machine, but one used {host!r}"
        raise NetworkUsedError(message)


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.endswith((".localhost", ".invalid")):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_stay_on_this_machine)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NOTHING_MAY_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and GRACE_TESTS_REQUIRE_ALL forbids it: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if NOTHING_MAY_SKIP and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and GRACE_TESTS_REQUIRE_ALL forbids it: {report.longrepr}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` starts: one for each core that is ours, and few enough for their memory."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    turns = (turn for turn, beginning in enumerate(LONGEST_FIRST) if nodeid.startswith(beginning))
    return next(turns, len(LONGEST_FIRST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    for marker, tool in MARKED_TOOLS.items():
        if item.get_closest_marker(marker):
            _find_tool(tool)


def _find_tool(name: str) -> Path:
    lines = (ROOT / ".ci" / "tools").read_text().splitlines()
    packages = dict(line.split() for line in lines if line and not line.startswith("#"))
    if name not in packages:
        message = f"{name!r} is not listed in .ci/tools, so CI would not install it"
        raise LookupError(message)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs the command {name!r} (Debian package {packages[name]})")
    return Path(found)


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], Path]:
    """Return a function from a command's name to its path; it skips the test where the command is missing."""
    return _find_tool


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of published vectors and recorded inputs beside the clone, or skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the recorded inputs in {folder}")
    return folder


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def blocking_calls() -> Generator[BlockBuster, None, None]:
    """Fail every call from `grace` that would block a running event loop."""
    with blockbuster_ctx("grace") as guard:
        yield guard
