"""`grace do --save`: what helped once becomes a playbook that passes lint and its own test, and heals by itself."""

from __future__ import annotations

from pathlib import Path

from grace.cli.exits import Exit
from tests.cli.conftest import Grace
from tests.cli.hand_world import open_hand_world


def test_what_helped_is_kept_as_a_playbook_that_heals_the_next_time(grace: Grace, tmp_path: Path) -> None:
    folder, kept = tmp_path / "kept-world", tmp_path / "playbooks"
    folder.mkdir()
    kept.mkdir()
    save = ("do", "--save", "raise-pool", "--output", str(kept), "@last")
    with open_hand_world(folder) as world:
        incident = world.incident("first")
        wanted = ("--expect", "metric service.error_rate at_most 0", "--within", "2s", "--for", "300ms")
        who = ("--service", "shop", "--incident", incident, "--writes", str(world.config), *world.as_("ann"))
        fix = (*who, *wanted, "--", "sed", "-i", "s/pool=.*/pool=9/", str(world.config))
        assert grace("do", *fix).code == Exit.DONE
        unsure = grace(*save, "--cause", "no_such_cause", *world.as_("ann"))
        assert unsure.code == Exit.REFUSED
        assert "--cause" in unsure.err
        assert list(kept.iterdir()) == []
        saved = grace(*save, *world.as_("ann"))
        assert saved.code == Exit.DONE, saved.out + saved.err
        text = (kept / "raise-pool.yaml").read_text()
        assert f"cause: {world.cause_of(incident)}" in text
        assert "labels:\n    engine: shop" in text
        assert "${{ inputs.file }}" in text
        again = grace(*save, *world.as_("ann"))
        assert again.code == Exit.USAGE
        assert "nothing is overwritten" in again.err
        assert (kept / "raise-pool.yaml").read_text() == text
        world.config.write_text("pool=1\n")
    assert grace("playbook", "lint", str(kept)).code == Exit.DONE
    tested = grace("playbook", "test", str(kept))
    assert tested.code == Exit.DONE, tested.out + tested.err
    with open_hand_world(folder, (kept,)) as world:
        incident = world.incident("second")
        run = world.poll_run(incident)
        assert run["playbook"] == "raise-pool"
        assert world.poll_settled(run["id"])["settlement"] == "committed"
        assert world.config.read_text() == "pool=9\n"
