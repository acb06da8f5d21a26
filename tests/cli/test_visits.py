"""Commands against a real server with real runs."""

from __future__ import annotations

import json
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from grace.cli.exits import Exit
from grace.model.plan import Plan
from tests.cli.conftest import Grace, Said
from tests.cli.world import World, open_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


class _Person:
    """Types commands with a token of their own."""

    def __init__(self, grace: Grace, world: World, token: str) -> None:
        self._grace = grace
        self._options = ("--server", world.address, "--token", token)

    def __call__(self, *arguments: str, answer: str | None = None) -> Said:
        return self._grace(*arguments, *self._options, answer=answer)


@pytest.fixture
def ann(grace: Grace, world: World) -> _Person:
    return _Person(grace, world, world.tokens["ann"])


@pytest.fixture
def ben(grace: Grace, world: World) -> _Person:
    return _Person(grace, world, world.tokens["ben"])


@pytest.fixture
def eve(grace: Grace, world: World) -> _Person:
    return _Person(grace, world, world.tokens["eve"])


def _pool(file: Path) -> int:
    return json.loads(file.read_text())["pool"]


def _settled(world: World, playbook: str, settlement: str) -> tuple[str, str, Path]:
    """Report trouble, wait for the run that GRACE opens by itself, and return incident, run and file."""
    incident, file = world.incident(playbook)
    run = world.settled_run(incident)
    assert run["settlement"] == settlement
    return incident, run["id"], file


def test_a_committed_run_is_shown_with_its_contract(ann: _Person, world: World) -> None:
    _, run, file = _settled(world, "alone", "committed")
    assert _pool(file) == 5
    said = ann("runs", run)
    assert said.code == Exit.DONE
    assert "✓ committed" in said.out
    assert "✓ met" in said.out
    assert f"next: grace explain {run}" in said.out
    assert ann("runs", run, "--json").json["settlement"] == "committed"


def test_a_story_is_told_for_a_run_and_for_its_incident(ann: _Person, world: World) -> None:
    incident, run, _ = _settled(world, "alone", "committed")
    for subject in (run, incident, run[:20].lower()):
        said = ann("explain", subject)
        assert said.code == Exit.DONE
        assert "diagnosis: dependency_unavailable" in said.out
        assert "settled: committed" in said.out
    assert ann("explain", "@last", "--json").json["chapters"]


def test_why_nothing_was_done_is_told_too(ann: _Person, world: World) -> None:
    incident, _ = world.incident("nobody-has-this-one")
    world.run_of(incident)
    said = ann("explain", incident)
    assert "no plan was made" in said.out


def test_lists_show_beginnings_that_can_be_used(ann: _Person, world: World) -> None:
    incident, run, _ = _settled(world, "alone", "committed")
    for command, noun in (("runs", run), ("incidents", incident)):
        _, *lines = ann(command).out.splitlines()
        shown = next(line.split()[0] for line in lines if noun.startswith(line.split()[0]))
        assert ann(command, shown, "--json").json["id"] == noun
    assert ann("runs", "--incident", incident, "--json").json["items"][0]["id"] == run
    assert ann("incidents", incident).out.count("✓ committed") == 1


def test_an_id_that_is_none_or_not_unique_is_a_usage_error(ann: _Person, world: World) -> None:
    _settled(world, "alone", "committed")
    _settled(world, "alone", "committed")
    for written, says in (("run_zzz", "no run begins with run_zzz"), ("run_0", "begins more than one run: run_")):
        said = ann("runs", written)
        assert said.code == Exit.USAGE
        assert says in said.err
        assert said.err.splitlines()[-1] == "next: grace runs"


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("", "nothing is named"),
        (" ", "nothing is named"),
        ("inc_", "inc_ begins the id of every incident"),
        ("INC", "INC begins the id of every incident"),
        ("run_", "run_ begins the id of every run"),
        ("r", "r begins the id of every run"),
        ("ink_01", "no incident begins with ink_01: their ids begin with inc_"),
        ("apr_01", "apr_01 is the id of neither: runs begin with run_, incidents with inc_"),
        ("inc_zz", "no incident begins with inc_zz"),
    ],
)
def test_what_names_nothing_is_not_explained(ann: _Person, subject: str, says: str) -> None:
    said = ann("explain", subject)
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert says in said.err
    assert said.err.splitlines()[-1].startswith("next: grace ")


def test_an_empty_id_is_not_a_list_and_a_prefix_revokes_nothing(ann: _Person) -> None:
    for command in (["runs", ""], ["incidents", ""], ["runs", "--incident", ""], ["undo", "", "--reason", "x"]):
        said = ann(*command)
        assert (said.code, "is named" in said.err) == (Exit.USAGE, True), command
    for written in ("", "tok", "tok_"):
        assert ann("token", "revoke", written).code == Exit.USAGE


@pytest.mark.parametrize("written", ["\udcff", "a/../b", "run_%00", "' OR 1=1", "é" * 100, "run_" + "9" * 4000, "%"])
def test_an_id_that_is_garbage_is_a_usage_error(ann: _Person, written: str) -> None:
    for command in ("runs", "incidents", "explain", "plan", "heal", "approve"):
        said = ann(command, written)
        assert (said.code, said.out) == (Exit.USAGE, ""), command
        assert said.err.splitlines()[-1].startswith("next: ")


def test_status_tells_modes_and_what_waits(ann: _Person, world: World) -> None:
    incident, _ = world.incident("asked")
    run = world.run_of(incident)
    said = ann("status")
    assert said.code == Exit.DONE
    assert "2 services: 1 in auto, 1 in observe" in said.out
    assert "Waits for a person" in said.out
    assert "next: grace approve @last" in said.out
    assert ann("status", "--json").json["pending_approvals"] >= 1
    assert ann("reject", run["id"], "--yes", "--reason", "a test").code == Exit.DONE


def test_a_plan_is_shown_and_nothing_is_changed(ann: _Person, world: World) -> None:
    incident, file = world.untouched("alone")
    said = ann("plan", incident, "--playbook", "tune-alone", "--set", "pool=7")
    assert "widen: file.set_value" in said.out
    assert "act_alone" in said.out
    assert "tuning-alone" in said.out
    document = ann("plan", incident, "--playbook", "tune-alone", "--set", "pool=7", "--json").json
    assert Plan.from_json(document["plan"]).digest in said.out
    assert _pool(file) == 1


def test_no_plan_is_refused_with_its_reason(ann: _Person, world: World) -> None:
    incident, _ = world.incident("nobody-has-this-one")
    world.run_of(incident)
    said = ann("plan", incident)
    assert said.code == Exit.REFUSED
    assert "no plan: " in said.out


@pytest.mark.parametrize("bad", ["pool", "=5"])
def test_an_input_that_is_no_pair_is_a_usage_error(ann: _Person, world: World, bad: str) -> None:
    incident, _ = world.incident("nobody-has-this-one")
    said = ann("heal", incident, "--set", bad)
    assert (said.code, "--set" in said.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("playbook", "code", "pool"),
    [("alone", Exit.DONE, 5), ("held", Exit.WAITING, 5), ("harmful", Exit.ROLLED_BACK, 1)],
)
def test_a_heal_is_followed_to_its_end_and_exits_by_its_settlement(
    ann: _Person, world: World, playbook: str, code: Exit, pool: int
) -> None:
    incident, file = world.untouched(playbook)
    said = ann("heal", incident)
    assert said.code == code
    assert _pool(file) == pool
    assert said.out.index("plan sha256:") < said.out.index("settled: ")
    assert said.out.splitlines()[-1].startswith("next: grace ")
    if playbook == "held":
        assert "grace keep" in said.out


def test_a_heal_need_not_be_waited_for(ann: _Person, world: World) -> None:
    incident, file = world.untouched("alone")
    opened = ann("heal", incident, "--no-wait", "--json")
    assert opened.code == Exit.DONE
    assert world.settled_run(incident)["id"] == opened.json["id"]
    assert _pool(file) == 5


def test_with_json_a_heal_prints_its_run_once_at_the_end(ann: _Person, world: World) -> None:
    incident, _ = world.untouched("harmful")
    said = ann("heal", incident, "--json")
    assert (said.code, said.json["settlement"]) == (Exit.ROLLED_BACK, "rolled_back")


def test_an_incident_that_is_being_healed_is_not_healed_twice(ann: _Person, world: World) -> None:
    incident, _ = world.incident("asked")
    run = world.run_of(incident)["id"]
    said = ann("heal", incident)
    assert said.code == Exit.REFUSED
    assert said.err.splitlines()[-1] == f"next: grace runs {run}"
    ann("reject", run, "--yes")


def test_a_heal_that_waits_for_a_person_exits_and_says_so(ann: _Person, ben: _Person, world: World) -> None:
    incident, file = world.untouched("asked")
    said = ann("heal", incident, "--playbook", "tune-asked")
    assert said.code == Exit.WAITING
    run = ann("runs", "@last", "--json").json["id"]
    assert f"next: grace approve {run}" in said.out
    assert ann("approve", run, "--yes").code == Exit.REFUSED, "who asked may not answer"
    assert _pool(file) == 1

    said = ben("approve", run, answer="no")
    assert (said.code, _pool(file)) == (Exit.REFUSED, 1)
    said = ben("approve", run)
    assert said.code == Exit.USAGE, "nobody can be asked without a terminal"
    assert "--digest sha256:" in said.err
    said = ben("approve", run, "--digest", "sha256:" + "0" * 64, "--yes")
    assert said.code == Exit.REFUSED
    said = ben("approve", run, "--json", "--yes")
    assert said.code == Exit.USAGE, "what was not shown is not approved"

    said = ben("approve", run, "--reason", "looks right", answer="yes")
    assert said.code == Exit.DONE
    digest = ann("runs", run, "--json").json["plan_digest"]
    assert digest in said.out
    assert "1 of 1 yes" in said.out
    assert world.settled_run(incident)["settlement"] == "committed"
    assert _pool(file) == 5
    assert ben("approve", run, "--yes").code == Exit.REFUSED, "an answer is final"


def test_a_rejected_run_is_refused(ann: _Person, ben: _Person, world: World) -> None:
    incident, file = world.incident("asked")
    run = world.run_of(incident)["id"]
    digest = ann("runs", run, "--json").json["plan_digest"]
    said = ben("reject", run.replace("run_", "apr_"), "--yes", "--json", "--digest", digest, "--reason", "not now")
    assert (said.code, said.json["state"]) == (Exit.DONE, "rejected")
    assert world.settled_run(incident)["settlement"] == "denied"
    assert _pool(file) == 1


def test_a_committed_run_is_undone_after_a_rehearsal(ann: _Person, world: World) -> None:
    _, run, file = _settled(world, "alone", "committed")
    said = ann("undo", run, "--dry-run")
    assert said.code == Exit.DONE
    assert "Nothing was changed." in said.out
    assert str(file) in said.out
    assert _pool(file) == 5
    said = ann("undo", run, "--reason", "a test")
    assert said.code == Exit.ROLLED_BACK
    assert _pool(file) == 1
    assert ann("undo", run, "--reason", "again").code == Exit.REFUSED
    told = ann("explain", run).out
    assert "committed" in told.splitlines()[0]
    assert "since then undone by ann" in told.splitlines()[0]
    shown = ann("runs", run)
    assert "undone by ann" in shown.out
    assert shown.out.rstrip().endswith(f"next: grace explain {run}")
    listed = ann("runs", "--json").json["items"]
    [mine] = [one for one in listed if one["id"] == run]
    assert [(one["kind"], one["requested_by"], one["settlement"]) for one in mine["later"]] == [
        ("undo", "ann", "rolled_back")
    ]
    assert (mine["can_be_kept"], mine["can_be_undone"]) == (False, False)
    assert "since then undone by ann" in ann("chat", f"why {run}").out


def test_a_held_run_is_kept(ann: _Person, world: World) -> None:
    incident, run, file = _settled(world, "held", "held")
    assert f"{file}" in ann("status").out, "its target is quarantined"
    said = ann("keep", run, "--reason", "it is fine")
    assert said.code == Exit.DONE
    assert _pool(file) == 5
    assert f"{file}" not in ann("status").out
    for subject in (run, incident):
        told = ann("explain", subject).out
        assert "since then kept by ann" in told
        assert "grace keep" not in told
        assert "until a person keeps or undoes the run" not in told
    assert ann("incidents", incident, "--json").json["state"] == "closed"
    assert "kept by ann" in ann("runs", "--incident", incident).out
    again = ann("keep", run, "--reason", "twice")
    assert (again.code, f"grace undo {run}" in again.err) == (Exit.REFUSED, True)
    assert ann("undo", run, "--reason", "it was not fine").code == Exit.ROLLED_BACK
    assert _pool(file) == 1


def test_a_run_that_waits_is_cancelled_and_nothing_is_done(ann: _Person, eve: _Person, world: World) -> None:
    incident, file = world.incident("asked")
    run = world.run_of(incident)["id"]
    assert eve("cancel", run).code == Exit.REFUSED
    said = ann("cancel", run, "--reason", "by hand")
    assert said.code == Exit.ROLLED_BACK
    assert "settled: aborted (cancelled)" in said.out
    assert world.settled_run(incident)["settlement"] == "aborted"
    assert _pool(file) == 1
    again = ann("cancel", run)
    assert (again.code, "a settlement is final" in again.err) == (Exit.REFUSED, True)


def test_cancelling_need_not_be_waited_for_and_last_is_the_newest_open_run(ann: _Person, world: World) -> None:
    incident, _ = world.incident("asked")
    run = world.run_of(incident)["id"]
    said = ann("cancel", "@last", "--no-wait", "--json")
    assert (said.code, said.json["id"]) == (Exit.DONE, run)
    assert world.settled_run(incident)["reason"] == "cancelled"


def test_an_incident_is_closed_by_a_persons_word(ann: _Person, world: World) -> None:
    incident, _ = world.incident("asked")
    run = world.run_of(incident)["id"]
    assert ann("close", incident, "--reason", "over").code == Exit.REFUSED, "a run is at work on it"
    ann("cancel", run)
    assert ann("close", incident).code == Exit.USAGE, "the record wants to know why"
    said = ann("close", incident, "--reason", "over")
    assert said.code == Exit.DONE
    assert said.out.splitlines()[-1] == f"next: grace explain {incident}"
    assert "incident closed by ann" in ann("explain", incident).out
    assert ann("close", incident, "--reason", "again").code == Exit.REFUSED
    other, _ = world.incident("nobody-has-this-one")
    world.run_of(other)
    closed = ann("close", "@last", "--reason", "over", "--json")
    assert (closed.json["id"], closed.json["state"]) == (other, "closed")


def test_status_tells_how_old_the_newest_checkpoint_is(ann: _Person, world: World) -> None:
    _settled(world, "alone", "committed")
    status = lambda: ann("status", "--json").json  # noqa: E731
    world.poll(lambda: [told for told in (status(),) if told["ledger_witnessed"] == told["ledger_size"]])
    said, size = ann("status"), status()["ledger_size"]
    assert f"{size} entries" in said.out
    assert f"checkpoint of {size} entries, taken " in said.out
    assert " s ago" in said.out


def test_a_halt_stops_new_deeds_until_it_is_ended(ann: _Person, world: World) -> None:
    assert ann("halt", "--service", "shop", "--reason", "a test").code == Exit.DONE
    assert "■ halted" in ann("status").out
    incident, file = world.incident("alone")
    assert world.settled_run(incident)["settlement"] == "aborted"
    assert _pool(file) == 1
    assert ann("halt", "--end").code == Exit.REFUSED, "nothing stands for everywhere"
    assert ann("halt", "--end", "--service", "shop").code == Exit.DONE
    assert ann("halt", "--end", "--service", "shop").code == Exit.REFUSED


def test_a_halt_of_a_service_that_nobody_declared_stops_nothing_and_names_the_declared(ann: _Person) -> None:
    said = ann("halt", "--service", "shopp", "--reason", "a test")
    assert (said.code, said.out) == (Exit.USAGE, "")
    assert "declared: quiet, shop" in said.err
    assert said.err.splitlines()[-1] == "next: grace halt --service shop"
    assert ann("halt", "--service", "", "--reason", "a test").code == Exit.USAGE, "an unset variable is no service"
    assert "halted" not in ann("status").out
    assert ann("incidents", "--service", "shopp").err.splitlines()[-1] == "next: grace incidents --service shop"


def test_a_role_that_is_too_small_is_refused_with_the_way_to_a_larger_one(eve: _Person, world: World) -> None:
    assert eve("status").code == Exit.DONE
    said = eve("halt", "--reason", "mischief")
    assert said.code == Exit.REFUSED
    assert "grace token create" in said.err


def test_without_a_token_a_command_says_how_to_get_one(grace: Grace, world: World) -> None:
    said = grace("status", "--server", world.address)
    assert said.code == Exit.REFUSED
    assert "grace token create" in said.err
    assert grace("status", "--server", world.address, "--token", "x\ny").code == Exit.USAGE


def test_the_log_is_exported_and_verified(ann: _Person, grace: Grace, world: World, tmp_path: Path) -> None:
    said = ann("ledger", "checkpoint")
    (tmp_path / "old").write_text(said.out)
    _settled(world, "alone", "committed")
    assert ann("ledger", "export", str(tmp_path / "log")).code == Exit.DONE
    said = grace("ledger", "verify", str(tmp_path / "log"), "--checkpoint", str(tmp_path / "old"))
    assert said.code == Exit.DONE
    assert "held to 1 older checkpoint" in said.out
    assert ann("ledger", "export", str(tmp_path / "log")).code == Exit.USAGE, "nothing is overwritten"
    assert ann("ledger", "export", str(tmp_path / "no" / "log")).code == Exit.USAGE


def test_entries_are_listed_in_order_and_proved(ann: _Person, world: World) -> None:
    _, run, _ = _settled(world, "alone", "committed")
    items = ann("ledger", "entries", "--run", run, "--json").json["items"]
    indexes = [one["index"] for one in items]
    assert indexes == sorted(indexes)
    (settled,) = ann("ledger", "entries", "--run", run, "--type", "run.settled", "--json").json["items"]
    said = ann("ledger", "proof", str(settled["index"]))
    assert said.code == Exit.DONE
    assert f"✓ valid  entry {settled['index']} is in the log" in said.out
    assert ann("ledger", "proof", "99999999").code == Exit.USAGE
    assert ann("ledger", "entries", "--type", "nonsense").code == Exit.USAGE
    assert (
        ann("ledger", "entries", "--after", str(indexes[0]), "--limit", "1", "--json").json["items"][0]["index"]
        == indexes[0] + 1
    )


def test_tokens_are_made_listed_and_revoked_through_the_server(ann: _Person, grace: Grace, world: World) -> None:
    said = ann("token", "create", "zoe", "--role", "viewer", "--expires", "1h")
    secret = said.out.strip()
    assert said.code == Exit.DONE
    zoe = _Person(grace, world, secret)
    assert zoe("status").code == Exit.DONE
    assert secret not in ann("token", "list", "--json").out
    (token,) = [one for one in ann("token", "list", "--json").json["items"] if one["name"] == "zoe"]
    assert ann("token", "revoke", token["id"]).code == Exit.DONE
    assert zoe("status").code == Exit.REFUSED
    assert ann("token", "revoke", token["id"]).code == Exit.REFUSED
    assert ann("token", "revoke", "tok_").code == Exit.USAGE
    assert ann("token", "create", "zoe", "--role", "viewer", "--expires", "soon").code == Exit.USAGE
    assert ann("token", "create", "zoe", "--role", "king").code == Exit.USAGE


def test_the_data_folder_tells_where_its_server_is_and_keeps_a_token(
    grace: Grace, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE_DATA_FOLDER", str(world.data))
    said = grace("token", "create", "local", "--role", "viewer", "--keep", "--token", world.tokens["ann"])
    assert said.code == Exit.DONE
    kept = world.data / "token"
    try:
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert grace("status").code == Exit.DONE
        assert grace("status", "--server", "http://127.0.0.1:9").code == Exit.UNREACHABLE
    finally:
        kept.unlink()


def test_playbooks_are_listed(ann: _Person) -> None:
    said = ann("playbook", "list")
    assert "tune-alone" in said.out
    assert "dependency_unavailable" in said.out


def test_observe_mode_touches_nothing(ann: _Person, world: World) -> None:
    incident, file = world.incident("alone", service="quiet")
    assert world.settled_run(incident)["settlement"] == "observed"
    assert _pool(file) == 1


def test_json_and_screen_agree_on_every_list(ann: _Person, world: World) -> None:
    _settled(world, "alone", "committed")
    for command in (["incidents"], ["runs"], ["playbook", "list"], ["ledger", "entries"], ["token", "list"]):
        page: Any = ann(*command, "--json").json
        assert len(ann(*command).out.splitlines()) == len(page["items"]) + 1, command


def test_chat_answers_one_question_or_holds_a_conversation(ann: _Person) -> None:
    asked = ann("chat", "what", "is", "pending")
    assert asked.code == Exit.DONE
    assert "wait" in asked.out.lower()
    held = ann("chat", answer="help\nwhat is pending\nbye")
    assert (held.code, held.out.count("You can say:")) == (Exit.DONE, 1)
    refused = ann("chat", "halt", "ordres")
    assert (refused.code, "no service 'ordres'" in refused.out) == (Exit.REFUSED, True)
    assert ann("chat", "help", "--json").json["metadata"]["intent"] == "help"
