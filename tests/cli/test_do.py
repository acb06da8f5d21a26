"""`grace do`: one command by hand on a real service, from its plan to its settlement and the playbook that is kept."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from grace_sdk.client import Json

from grace.cli.exits import Exit
from tests.cli.conftest import Grace, Said
from tests.cli.hand_world import HandWorld, open_hand_world

QUICK = ("--within", "2s", "--for", "300ms")
WELL = ("--expect", "metric service.error_rate at_most 0")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Generator[HandWorld]:
    with open_hand_world(tmp_path_factory.mktemp("hand")) as world:
        yield world


@pytest.fixture
def world(opened: HandWorld) -> HandWorld:
    opened.config.write_text("pool=1\n")
    opened.config.chmod(0o640)
    return opened


def do(grace: Grace, world: HandWorld, *arguments: str, service: str = "shop", who: str = "ann") -> Said:
    return grace("do", "--service", service, *world.as_(who), *QUICK, *arguments)


def writing(world: HandWorld) -> tuple[str, str]:
    return ("--writes", str(world.config))


def sed(world: HandWorld, pool: str) -> tuple[str, ...]:
    return ("--", "sed", "-i", f"s/pool=.*/pool={pool}/", str(world.config))


def state(path: Path) -> tuple[str, int, int, int]:
    found = path.stat()
    return path.read_text(), found.st_mode, found.st_uid, found.st_mtime_ns


def test_a_command_that_mends_is_committed_and_offered_as_a_playbook(grace: Grace, world: HandWorld) -> None:
    said = do(grace, world, *writing(world), *WELL, "--reason", "pool too small", *sed(world, "9"))
    assert said.code == Exit.DONE, said.out + said.err
    assert world.config.read_text() == "pool=9\n"
    for told in ("exact: every write can be taken back exactly", "committed", "grace do --save NAME run_"):
        assert told in said.out


def test_a_command_that_breaks_the_service_is_taken_back_to_the_byte(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    said = do(grace, world, *writing(world), *sed(world, "plenty"))
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert state(world.config) == before
    assert "1 object equal again" in said.out


def test_what_ends_with_0_and_mends_nothing_is_not_committed(grace: Grace, world: HandWorld) -> None:
    said = do(grace, world, *writing(world), *WELL, "--", "true")
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "committed" not in said.out


def test_a_command_that_fails_half_way_is_taken_back(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    script = f"echo pool=7 > {world.config}; exit 3"
    said = do(grace, world, *writing(world), *WELL, "--", "sh", "-c", script)
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "exit code 3" in said.out
    assert state(world.config) == before


def test_a_command_that_is_late_is_ended_and_taken_back(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    script = f"echo pool=7 > {world.config}; exec sleep 600"
    said = do(grace, world, *writing(world), "--timeout", "300ms", "--", "sh", "-c", script)
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert state(world.config) == before


def test_without_an_expectation_the_indicators_must_not_worsen(grace: Grace, world: HandWorld) -> None:
    world.config.write_text("pool=9\n")
    before = state(world.config)
    said = do(grace, world, *writing(world), *sed(world, "2"))
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "service.error_rate at most 0" in said.out
    assert state(world.config) == before
    assert do(grace, world, *writing(world), *sed(world, "30")).code == Exit.DONE


def test_an_undo_runs_after_the_files_are_restored(grace: Grace, world: HandWorld) -> None:
    seen = world.config.parent / "seen"
    undo = f"cp {world.config} {seen}"
    said = do(grace, world, *writing(world), "--undo", undo, *sed(world, "plenty"))
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "compensable" in said.out
    assert seen.read_text() == world.config.read_text() == "pool=1\n"


def test_what_is_written_beside_the_named_files_stays_and_was_never_promised(grace: Grace, world: HandWorld) -> None:
    other = world.config.parent / "other"
    before = state(world.config)
    said = do(grace, world, *writing(world), "--", "sh", "-c", f"echo pool=no > {world.config}; echo left > {other}")
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert state(world.config) == before
    assert other.read_text() == "left\n"
    assert "1 object equal again" in said.out, "one object was named, and one is spoken of"


def test_without_files_and_undo_it_is_irreversible_and_waits_for_a_quorum(grace: Grace, world: HandWorld) -> None:
    made = world.config.parent / "made"
    said = do(grace, world, *WELL, "--", "touch", str(made))
    assert said.code == Exit.WAITING, said.out + said.err
    assert "irreversible" in said.out
    assert not made.exists()
    assert grace("cancel", "@last", "--reason", "a test", *world.as_("ann")).code == Exit.ROLLED_BACK


def test_the_policy_may_say_no(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    said = do(grace, world, *writing(world), "--", "truncate", "-s", "0", str(world.config))
    assert said.code == Exit.REFUSED, said.out + said.err
    assert "tests-never" in said.out
    assert state(world.config) == before
    assert grace("runs", "@last", "--json", *world.as_("ann")).json["settlement"] == "denied"


def test_another_person_agrees_never_the_one_who_asked(grace: Grace, world: HandWorld) -> None:
    fix = ("--", "/usr/bin/env", "sed", "-i", "s/pool=.*/pool=9/", str(world.config))
    waiting = do(grace, world, *writing(world), *WELL, *fix)
    assert waiting.code == Exit.WAITING, waiting.out + waiting.err
    assert world.config.read_text() == "pool=1\n"
    digest = grace("runs", "@last", "--json", *world.as_("ann")).json["plan_digest"]
    answer = ("@last", "--digest", digest, "--yes")
    assert grace("approve", *answer, *world.as_("ann")).code == Exit.REFUSED
    assert grace("approve", *answer, *world.as_("ben")).code == Exit.DONE
    run = grace("runs", "@last", "--json", *world.as_("ann")).json["id"]
    world.poll_settled(run)
    assert world.config.read_text() == "pool=9\n"


def test_a_service_that_is_only_observed_is_not_touched(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    said = do(grace, world, *writing(world), *WELL, *sed(world, "9"), service="quiet")
    assert said.code == Exit.DONE, said.out + said.err
    assert "observe mode: nothing was touched" in said.out
    assert state(world.config) == before


def test_a_plan_is_shown_and_nothing_is_opened(grace: Grace, world: HandWorld) -> None:
    before, runs = state(world.config), grace("runs", "--json", *world.as_("ann")).json["items"]
    said = do(grace, world, *writing(world), *WELL, "--plan", *sed(world, "9"))
    assert said.code == Exit.DONE, said.out + said.err
    for told in ("command.edit", "every write can be taken back exactly", "service.error_rate", "Nothing was changed."):
        assert told in said.out
    assert state(world.config) == before
    assert grace("runs", "--json", *world.as_("ann")).json["items"] == runs


def test_a_clause_that_must_hold_for_longer_than_asked_says_why(grace: Grace, world: HandWorld) -> None:
    planned = do(grace, world, *writing(world), *WELL, "--for", "100ms", "--plan", *sed(world, "9"))
    why = "it is measured every 0.05 s, and a verdict rests on at least 5 samples"
    assert f"service.error_rate must hold for 0.2 s, not 0.1 s: {why}" in planned.out
    as_asked = do(grace, world, *writing(world), *WELL, "--for", "300ms", "--plan", *sed(world, "9"))
    assert "for 0.3 s, every 0.05 s" in as_asked.out
    assert "a verdict rests on" not in as_asked.out


def test_a_plan_tells_for_what_its_run_would_be_aborted(grace: Grace, world: HandWorld) -> None:
    elsewhere = world.folder / "elsewhere"
    elsewhere.hardlink_to(world.config)
    planned = do(grace, world, *writing(world), *WELL, "--plan", *sed(world, "9"))
    done = do(grace, world, *writing(world), *WELL, *sed(world, "9"))
    elsewhere.unlink()
    objection = "1 hard link(s) outside of what would be kept"
    assert (planned.code, done.code) == (Exit.REFUSED, Exit.ROLLED_BACK)
    assert "it would stop before the first write: " in planned.out
    assert str(world.config) in planned.out.partition("it would stop")[2]
    assert objection in planned.out
    assert objection in done.out, "the run stops for what its plan told"
    assert "next: mend what would stop it" in planned.out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), Exit.USAGE, "no command is given"),
        (("--writes", "CONFIG", "--expect", "metric error_rate", "--", "true"), Exit.USAGE, "metric"),
        (("--writes", "CONFIG", "--expect", "magic x is 1", "--", "true"), Exit.USAGE, "benchmark, metric, probe"),
        (("--writes", "CONFIG", "--expect", "probe file.valu is 1", "--", "true"), Exit.REFUSED, "file.valu"),
        (("--writes", "CONFIG", "--expect", "metric service.joy at_least 1", "--", "true"), Exit.REFUSED, "joy"),
        (("--writes", "CONFIG.nowhere", "--", "true"), Exit.REFUSED, "--creates"),
        (("--writes", "shop.nowhere", "--", "true"), Exit.REFUSED, "/shop.nowhere"),
        (("--writes", "/etc/hostname", "--", "true"), Exit.REFUSED, "not among the targets"),
        (("--writes", "DATA/grace.db", "--", "true"), Exit.REFUSED, "GRACE"),
        (("--writes", "CONFIG", "--", "cp", "CONFIG", "DATA/grace.db"), Exit.REFUSED, "part of GRACE's own state"),
        (("--writes", "CONFIG", "--", "no-such-program"), Exit.REFUSED, "no program no-such-program"),
        (("--writes", "CONFIG", "--cwd", "/nowhere", "--", "true"), Exit.REFUSED, "/nowhere"),
        (("--writes", "CONFIG", "--undo", "echo 'open", "--", "true"), Exit.USAGE, "--undo"),
        (("--writes", "CONFIG", "--timeout", "soon", "--", "true"), Exit.USAGE, "--timeout: not a duration"),
        (("--writes", "CONFIG", "--for", "a while", "--", "true"), Exit.USAGE, "--for: not a duration"),
        (("--writes", "CONFIG", "--for", "0s", "--", "true"), Exit.USAGE, "--for: '0s' is no time at all"),
        (("--writes", "CONFIG", "--for", "2d", "--", "true"), Exit.USAGE, "--for: '2d' is too long; 1d at most"),
        (
            ("--writes", "CONFIG", "--timeout", "2h", "--", "true"),
            Exit.USAGE,
            "--timeout: '2h' is too long; 1h at most",
        ),
        (("--save", "Bad Name!"), Exit.USAGE, "no name of a playbook"),
        (("--writes", "CONFIG", "--incident", "inc_00", "--", "true"), Exit.USAGE, "inc_00"),
        (("--writes", "CONFIG", "--", "echo", "${{ inputs.x }}"), Exit.REFUSED, "inputs"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    grace: Grace, world: HandWorld, arguments: tuple[str, ...], code: Exit, told: str
) -> None:
    before, runs = state(world.config), grace("runs", "--json", *world.as_("ann")).json["items"]
    words = [one.replace("CONFIG", str(world.config)).replace("DATA", str(world.data)) for one in arguments]
    said = do(grace, world, *words)
    assert said.code == code, said.out + said.err
    assert told in said.err
    assert "next: " in said.err
    assert state(world.config) == before
    assert grace("runs", "--json", *world.as_("ann")).json["items"] == runs, "nothing was opened"


def test_an_unknown_service_and_a_blind_one_are_refused(grace: Grace, world: HandWorld) -> None:
    unknown = do(grace, world, *writing(world), *sed(world, "9"), service="shoop")
    assert unknown.code == Exit.USAGE
    assert "grace do --service shop" in unknown.err
    blind = do(grace, world, *writing(world), *sed(world, "9"), service="blind")
    assert blind.code == Exit.REFUSED
    assert "an empty contract proves nothing" in blind.err
    assert "--expect 'probe " in blind.err
    assert world.config.read_text() == "pool=1\n"


@pytest.mark.parametrize(
    "command",
    [
        ("env", "DB_PASSWORD=hunter2hunter2", "true"),
        ("mysql", "--password", "hunter2hunter2"),
        ("curl", "-H", "Authorization: Bearer hunter2hunter2hunter2", "http://127.0.0.1/"),
    ],
)
def test_a_command_that_shows_a_secret_is_refused_and_recorded_nowhere(
    grace: Grace, world: HandWorld, command: tuple[str, ...]
) -> None:
    said = do(grace, world, *writing(world), "--", *command)
    assert said.code == Exit.REFUSED, said.out + said.err
    assert "looks like a secret" in said.err
    assert "hunter2" not in said.out + said.err
    kept = [path for path in world.data.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert kept == []


def test_a_viewer_may_not(grace: Grace, world: HandWorld) -> None:
    said = do(grace, world, *writing(world), *sed(world, "9"), who="eve")
    assert said.code == Exit.REFUSED
    assert world.config.read_text() == "pool=1\n"


def test_asked_twice_under_one_key_it_is_one_run(world: HandWorld) -> None:
    asked: dict[str, Json] = {
        "service": "shop",
        "command": ["sed", "-i", "s/pool=.*/pool=9/", str(world.config)],
        "writes": [str(world.config)],
        "within": "2s",
        "lasting": "300ms",
        "key": "tonight",
    }
    with world.client("ann") as client:
        first: Any = client.post("/api/do", body=asked)
        second: Any = client.post("/api/do", body=asked)
        other: Any = client.post("/api/do", body={**asked, "key": "tomorrow"})
    assert first["run"]["id"] == second["run"]["id"] != other["run"]["id"]
    world.poll_settled(first["run"]["id"])
    world.poll_settled(other["run"]["id"])


def test_several_files_are_given_back_and_one_that_was_made_is_gone(grace: Grace, world: HandWorld) -> None:
    second, made = world.config.parent / "second", world.config.parent / "fresh"
    second.write_text("as before")
    before, other = state(world.config), state(second)
    script = f"echo pool=no > {world.config}; echo changed > {second}; echo made > {made}"
    named = (*writing(world), "--writes", str(second), "--creates", str(made))
    said = do(grace, world, *named, "--", "sh", "-c", script)
    assert said.code == Exit.ROLLED_BACK, said.out + said.err
    assert "3 objects equal again" in said.out
    assert (state(world.config), state(second)) == (before, other)
    assert not made.exists()


def test_a_committed_command_is_undone_later_and_spares_what_others_wrote(grace: Grace, world: HandWorld) -> None:
    before = state(world.config)
    assert do(grace, world, *writing(world), *WELL, *sed(world, "9")).code == Exit.DONE
    assert grace("undo", "@last", "--reason", "a test", *world.as_("ann")).code == Exit.ROLLED_BACK
    assert state(world.config) == before
    assert do(grace, world, *writing(world), *WELL, *sed(world, "9")).code == Exit.DONE
    world.config.write_text("pool=11\n")
    assert grace("undo", "@last", "--reason", "a test", *world.as_("ann")).code == Exit.NOT_RESTORED
    assert world.config.read_text() == "pool=11\n"
    assert grace("keep", "@last", "--reason", "a test", "--as-is", *world.as_("ann")).code == Exit.DONE


def test_who_sits_at_a_terminal_is_asked_for_a_name_and_a_vain_save_changes_no_exit_code(
    grace: Grace, world: HandWorld
) -> None:
    here = ("--service", "shop", *world.as_("ann"), *QUICK, *writing(world), *WELL)
    said = grace("do", *here, *sed(world, "9"), answer="yes\nraise-pool")
    assert said.code == Exit.DONE, said.out + said.err
    assert "not saved: there is no playbook folder of your own" in said.out
    assert "grace do --save raise-pool run_" in said.out


@pytest.mark.parametrize("argument", ["{name}", "./{name}", "--file={name}", "../{folder}/{name}", "."])
def test_a_path_that_is_meant_from_here_is_refused_where_the_command_runs_elsewhere(
    grace: Grace, world: HandWorld, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.chdir(world.config.parent)
    name, folder = world.config.name, world.config.parent.name
    word = argument.format(name=name, folder=folder)
    said = do(grace, world, "--writes", name, "--", "sed", "-i", "s/pool=.*/pool=9/", word)
    assert said.code == Exit.USAGE, said.out + said.err
    assert f"{word!r} is here in {world.config.parent}" in said.err
    assert "--cwd ." in said.err
    assert world.config.read_text() == "pool=1\n"


def test_a_relative_path_works_where_the_command_is_told_to_run(
    grace: Grace, world: HandWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.config.parent)
    name = world.config.name
    said = do(grace, world, "--cwd", ".", "--writes", name, *WELL, "--", "sed", "-i", "s/pool=.*/pool=9/", name)
    assert said.code == Exit.DONE, said.out + said.err
    assert world.config.read_text() == "pool=9\n"
