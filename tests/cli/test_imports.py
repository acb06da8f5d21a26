"""What a command that needs no server must not import: it would wait for it."""

import subprocess
import sys

import pytest

import grace.wiring

SERVER = ("fastapi", "dbos", "uvicorn")
_ASK = "import sys; {what}; print(*sorted(sys.modules.keys() & {server!r}))"


@pytest.mark.parametrize(
    "what",
    [
        "import grace.cli.init",
        "import grace.cli.hindsight; from grace import wiring; wiring.looking_back",
        "import grace.cli.knowledge; from grace import wiring; wiring.check_knowledge",
        "import grace.cli.playbook; from grace import wiring; wiring.catalogue",
    ],
)
def test_what_works_offline_imports_no_server(what: str) -> None:
    code = _ASK.format(what=what, server=set(SERVER))
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert told.stdout.split() == []


def test_everything_that_the_wiring_names_can_be_had_and_nothing_else() -> None:
    for name in grace.wiring.__all__:
        assert getattr(grace.wiring, name) is not None
    with pytest.raises(AttributeError, match="no attribute nothing"):
        _ = grace.wiring.nothing  # type: ignore[attr-defined]
