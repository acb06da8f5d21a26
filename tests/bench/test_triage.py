"""What `make bench-triage` prints says to whom its cross-validation applies."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import triage


def test_the_bench_says_that_the_rules_learn_nothing_from_the_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(triage.HELD_OUT.read_text().splitlines(keepends=True)[:20]))
    assert triage.main([str(rows)]) == 0
    shown = capsys.readouterr().out
    assert "rows.jsonl: 20 messages" in shown
    assert "The rules of the sentinel and the keywords learn nothing from these messages" in shown
    assert "CV concerns the learner beside them alone" in shown
