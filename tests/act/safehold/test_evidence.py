from __future__ import annotations

import os
from pathlib import Path

from grace.act.safehold.evidence import keep_evidence
from grace.act.safehold.vault import open_vault


def test_a_folder_and_a_pipe_are_no_evidence_and_no_fault(tmp_path: Path) -> None:
    vault = open_vault(tmp_path / "vault", tmp_path / "vault.key")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log").write_text("what happened")
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = keep_evidence([str(tmp_path / name) for name in ("folder", "pipe", "log", "absent")], vault)

    assert isinstance(kept, tuple), kept
    assert [one.name for one in kept] == ["log"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
