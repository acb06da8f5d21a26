"""Playbooks and actions in Python at the command line, and those that others have installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from grace import wiring
from grace.cli.exits import Exit
from grace.settings import load_settings
from grace.shipped import shipped_folder
from grace.wiring.plugs import installed_playbooks
from tests.cli.conftest import Grace

pytestmark = pytest.mark.slow

FLUSH = '''\
from grace.authoring.playbook import Contract, Draft, Found, Service, cause, look, playbook, probe, step


@playbook(when=cause("resource_exhausted"), find=[look("free", "host.disk_free_share", path="/")])
def flush_caches(find: Found, service: Service) -> Draft:
    """Flush every cache."""
    return Draft(
        do=[step(f"flush_{name}", "cache.flush", path=f"/srv/{name}") for name in service.labels.caches.split(",")],
        contract=Contract(after=[probe("host.disk_free_share", path="/").at_least(0.1, for_="3s")]),
        on_violated="roll_back",
        on_inconclusive="roll_back",
    )
'''
CASES = """\
format: 1
playbook: flush.py
service: {name: shop, labels: {caches: "a,b"}, targets: [{kind: cache, id: /srv/}]}
cases:
  - name: flushes each
    cause: resource_exhausted
    finds: {free: 0.01}
    expect:
      steps: [{id: flush_a, uses: cache.flush, with: {path: /srv/a}}, {id: flush_b, uses: cache.flush}]
      reversibility: exact
      ruling: denied
"""


@pytest.fixture
def playbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRACE_ACTION_FOLDERS", str(shipped_folder("examples") / "actions"))
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "flush.py").write_text(FLUSH)
    (folder / "flush.test.yaml").write_text(CASES)
    return folder


def test_a_python_playbook_is_linted_and_tested_like_any_other(grace: Grace, playbooks: Path) -> None:
    linted = grace("playbook", "lint", str(playbooks))
    tested = grace("playbook", "test", str(playbooks))

    assert (linted.code, linted.err) == (Exit.DONE, "")
    assert "1 playbook without a flaw" in linted.out
    assert tested.code == Exit.DONE, tested.out + tested.err


def test_a_flaw_of_a_python_playbook_is_told_with_file_and_line(grace: Grace, playbooks: Path) -> None:
    (playbooks / "flush.py").write_text(
        FLUSH.replace("cache.flush", "cache.flsh").replace("    return", "    open\n    return")
    )
    said = grace("playbook", "lint", str(playbooks))

    assert said.code == Exit.USAGE
    assert f"{playbooks / 'flush.py'}:7:5: open is nothing that a pure function needs [not-pure]" in said.out


def test_an_action_of_a_folder_is_in_the_schema(grace: Grace, playbooks: Path) -> None:
    assert "cache.flush" in grace("playbook", "schema").out


@pytest.mark.parametrize("command", [("lint",), ("test",)])
def test_a_broken_action_is_told_and_never_a_traceback(
    grace: Grace, playbooks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "broken.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.setenv("GRACE_ACTION_FOLDERS", str(tmp_path / "actions"))
    said = grace("playbook", *command, str(playbooks))

    assert said.code == Exit.USAGE
    assert "broken.py:1:1: the file cannot be imported" in said.err
    assert "Traceback" not in said.err


def test_what_others_installed_is_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, described = tmp_path / "acme_healing", tmp_path / "acme_healing-1.0.dist-info"
    (package / "playbooks").mkdir(parents=True)
    described.mkdir()
    (package / "__init__.py").touch()
    (package / "playbooks" / "__init__.py").touch()
    (package / "playbooks" / "flush.py").write_text(FLUSH)
    (package / "cache.py").write_text((shipped_folder("examples") / "actions" / "cache.py").read_text())
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-healing\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[grace.playbooks]\nacme = acme_healing.playbooks\n[grace.actions]\ncache = acme_healing.cache\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()

    try:
        assert installed_playbooks() == (package / "playbooks",)
        assert "cache.flush" in wiring.catalogue(load_settings()).actions
    finally:
        for name in [name for name in sys.modules if name.startswith("acme_healing")]:
            del sys.modules[name]
