"""Under GRACE_TESTS_REQUIRE_ALL a test that skips fails the run."""

from pathlib import Path

import pytest

CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text().replace('pytest_plugins = ["pytester"]', "")
SKIPS_IN_A_TEST = "import pytest\n\ndef test_that_skips():\n    pytest.skip('no reason')\n"
SKIPS_A_MODULE = "import pytest\n\npytest.skip('no reason', allow_module_level=True)\n"
FAILS_AS_EXPECTED = "import pytest\n\n@pytest.mark.xfail(reason='known')\ndef test_known():\n    assert False\n"


@pytest.mark.parametrize(
    ("source", "passes"), [(SKIPS_IN_A_TEST, False), (SKIPS_A_MODULE, False), (FAILS_AS_EXPECTED, True)]
)
def test_where_nothing_may_skip_a_skip_is_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, passes: bool
) -> None:
    monkeypatch.setenv("GRACE_TESTS_REQUIRE_ALL", "1")
    assert _run(pytester, source) is passes


@pytest.mark.parametrize("source", [SKIPS_IN_A_TEST, FAILS_AS_EXPECTED])
def test_on_a_user_s_machine_a_skip_is_a_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.delenv("GRACE_TESTS_REQUIRE_ALL", raising=False)
    assert _run(pytester, source)


def _run(pytester: pytest.Pytester, source: str) -> bool:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:randomly").ret == pytest.ExitCode.OK
