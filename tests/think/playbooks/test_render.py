from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.model.contract import ClauseSource, Phase
from grace.model.plan import Plan, Reversibility
from grace.model.service import AllowedTarget
from grace.model.warrant import Refusal
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion, render
from tests.think.worlds import (
    CATALOGUE,
    DIAGNOSIS,
    HOLDER,
    INCIDENT,
    RELOAD,
    SERVICE,
    STUCK_WRITER,
    Eyes,
    Hands,
    loaded,
)

OCCASION = Occasion(INCIDENT, DIAGNOSIS, SERVICE)


def rendered(
    text: str = STUCK_WRITER, occasion: Occasion = OCCASION, eyes: Eyes | None = None, hands: Hands | None = None
) -> Plan | Refusal:
    return render(loaded(text), occasion, Means(CATALOGUE, eyes or Eyes(), hands or Hands()))


def plan(text: str = STUCK_WRITER, occasion: Occasion = OCCASION, eyes: Eyes | None = None) -> Plan:
    outcome = rendered(text, occasion, eyes)
    assert isinstance(outcome, Plan), outcome
    return outcome


def refusal(
    text: str = STUCK_WRITER, occasion: Occasion = OCCASION, eyes: Eyes | None = None, hands: Hands | None = None
) -> Refusal:
    outcome = rendered(text, occasion, eyes, hands)
    assert isinstance(outcome, Refusal), outcome
    return outcome


def changed(old: str, new: str, text: str = STUCK_WRITER) -> str:
    assert old in text
    return text.replace(old, new, 1)


def telling(parameters: str) -> str:
    """Return the playbook with one more write after the first, which cannot be taken back."""
    step = f"value: 4}}\n  - {{id: tell, uses: http.request, with: {{{parameters}}}}}"
    return changed("value: 4}", step, RELOAD).replace("roll_back", "hold")


def with_labels(**labels: str) -> Occasion:
    return Occasion(INCIDENT.model_copy(update={"labels": {**INCIDENT.labels, **labels}}), DIAGNOSIS, SERVICE)


def reload_eyes() -> Eyes:
    return Eyes({"process.from_pid_file": HOLDER})


def test_what_was_found_stands_as_literals_in_the_plan() -> None:
    made = plan()
    (step,) = made.steps
    (found,) = made.finds

    assert step.parameters == {
        "process": {"pid": 4312, "started_at": 77},
        "holds": None,
        "patience": 3.0,
    }
    assert [target.key for target in step.targets] == ["process:db-1:4312@77"]
    assert found.result == HOLDER
    assert found.identity == {"pid": 4312, "started_at": 77}
    assert made.inputs == {"database": "/srv/orders/orders.db", "patience": 3.0}
    assert "${{" not in made.model_dump_json()


def test_a_label_that_no_sender_says_is_the_services() -> None:
    silent = INCIDENT.model_copy(update={"labels": {}})
    declared = SERVICE.model_copy(update={"labels": {**SERVICE.labels, **INCIDENT.labels}})
    assert plan(occasion=Occasion(silent, DIAGNOSIS, declared)).inputs == plan().inputs
    misled = {name: "/elsewhere" for name in INCIDENT.labels if name != "engine"}
    both = SERVICE.model_copy(update={"labels": {**SERVICE.labels, **misled}})
    assert plan(occasion=Occasion(INCIDENT, DIAGNOSIS, both)).inputs == plan().inputs, "what a sender says comes first"


def test_equal_occasions_make_equal_digests() -> None:
    assert plan().digest == plan().digest
    assert plan().digest != plan(occasion=Occasion(INCIDENT, DIAGNOSIS, SERVICE, {"patience": "4s"})).digest


def test_the_plan_survives_its_own_json() -> None:
    assert Plan.from_json(plan().to_json()) == plan()


def test_a_metric_and_a_benchmark_become_the_probes_that_the_service_declares() -> None:
    clauses = {clause.id: clause for clause in plan().contract.clauses}

    assert (clauses["after-2"].source, clauses["after-2"].probe) == (ClauseSource.METRIC, "file.size")
    assert clauses["after-2"].parameters == {"path": "/srv/orders/errors"}
    assert clauses["after-2"].every_s == 1.0
    assert (clauses["after-3"].samples, clauses["after-3"].expected, clauses["after-3"].required) == (30, 0.2, False)
    assert [clause.phase for clause in plan().contract.clauses] == [
        Phase.BEFORE,
        Phase.THROUGHOUT,
        Phase.AFTER,
        Phase.AFTER,
        Phase.AFTER,
    ]


def test_every_window_has_a_beat_that_gives_five_samples() -> None:
    for clause in plan().contract.of(Phase.AFTER):
        if clause.source is not ClauseSource.BENCHMARK:
            assert clause.for_s / clause.every_s + 1 >= 5


def test_a_metric_that_is_sampled_too_seldom_for_its_window_is_refused() -> None:
    slow = SERVICE.model_copy(
        update={"indicators": {"error_rate": SERVICE.indicators["error_rate"].model_copy(update={"every": 2.0})}}
    )

    assert refusal(occasion=Occasion(INCIDENT, DIAGNOSIS, slow)).rule == "timing"


@pytest.mark.parametrize(("section", "name"), [("indicators", "error_rate"), ("benchmarks", "smoke")])
def test_what_the_service_does_not_declare_is_refused(section: str, name: str) -> None:
    bare = SERVICE.model_copy(update={section: {}})
    no = refusal(occasion=Occasion(INCIDENT, DIAGNOSIS, bare))

    assert no.rule == "not-declared"
    assert name in no.why
    assert section in no.next


def test_an_unknown_find_makes_no_plan() -> None:
    no = refusal(eyes=Eyes({}))

    assert no.rule == "find-unknown"
    assert "nobody holds it" in no.why


@pytest.mark.parametrize("answer", [None, True, 7, "gone", [], {"pid": 1}])
def test_a_find_that_answers_otherwise_than_declared_makes_no_plan(answer: JsonValue) -> None:
    assert refusal(eyes=Eyes({"process.lock_holder": answer})).rule == "find-unknown"


def test_an_unknown_cause_never_acts() -> None:
    unknown = DIAGNOSIS.model_copy(update={"cause": "unknown"})
    eyes = Eyes()

    assert refusal(occasion=Occasion(INCIDENT, unknown, SERVICE), eyes=eyes).rule == "unknown-cause"
    assert eyes.looked == []


def test_a_step_whose_condition_is_false_is_skipped_and_said() -> None:
    assert isinstance(HOLDER, dict)
    two = changed(
        "contract:", "  - {id: note, uses: file.write, with: {path: /srv/orders/conf/n, content: x}}\ncontract:"
    )
    made = plan(two, eyes=Eyes({"process.lock_holder": {**HOLDER, "held_s": 4.0}}))

    assert [step.id for step in made.steps] == ["note"]
    assert [(one.id, one.why) for one in made.skipped] == [("end_holder", "`find.holder.held_s > 5` is false")]
    assert made.reversibility is Reversibility.EXACT


def test_a_plan_without_a_step_is_refused() -> None:
    assert isinstance(HOLDER, dict)
    no = refusal(eyes=Eyes({"process.lock_holder": {**HOLDER, "held_s": 4.0}}))

    assert no.rule == "nothing-to-do"
    assert "held_s > 5" in no.why


def test_an_input_comes_from_a_person_then_the_incident_then_the_default() -> None:
    text = changed("default: 3s}", "default: 3s, from: incident.labels.patience, at_most: 30s}")

    assert plan(text).inputs["patience"] == 3.0
    assert plan(text, with_labels(patience="5s")).inputs["patience"] == 5.0
    given = Occasion(with_labels(patience="5s").incident, DIAGNOSIS, SERVICE, {"patience": "7s"})
    assert plan(text, given).inputs["patience"] == 7.0


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"patience": "soon"}, "500ms"),
        ({"patience": "-3s"}, "500ms"),
        ({"database": "orders.db"}, "absolute"),
        ({"database": "/srv/../etc/passwd"}, "absolute"),
        ({"databse": "/a"}, "no input databse"),
    ],
)
def test_an_input_of_the_wrong_kind_is_refused(inputs: dict[str, str], why: str) -> None:
    no = refusal(occasion=Occasion(INCIDENT, DIAGNOSIS, SERVICE, inputs))

    assert no.rule == "input"
    assert why in no.why


def test_a_label_that_does_not_fit_is_refused_and_not_replaced_by_the_default() -> None:
    text = changed("from: incident.labels.database}", "from: incident.labels.database, default: /srv/orders/orders.db}")

    assert refusal(text, with_labels(database="../../etc")).rule == "input"


def test_an_input_without_a_value_is_refused() -> None:
    bare = Occasion(INCIDENT.model_copy(update={"labels": {}}), DIAGNOSIS, SERVICE)

    assert refusal(occasion=bare).rule == "input"


def test_a_label_cannot_smuggle_a_reference_into_the_plan() -> None:
    text = changed("key: pool.size", 'key: "${{ incident.labels.note }}"', RELOAD)

    assert refusal(text, with_labels(note="${{ do.set_pool.digest }}"), reload_eyes()).rule == "reference"


def test_a_value_beyond_the_bounds_of_the_action_is_refused() -> None:
    text = changed("signal: HUP}", 'signal: "${{ incident.labels.sig }}"}', RELOAD)
    no = refusal(text, with_labels(sig="KILL"), reload_eyes())

    assert no.rule == "parameters"
    assert "signal" in no.why


def test_a_target_outside_the_allowance_is_refused() -> None:
    text = changed("/srv/orders/orders.db", "/srv/orders/orders.db", RELOAD)
    no = refusal(text, Occasion(INCIDENT, DIAGNOSIS, SERVICE, {"config": "/etc/passwd"}), reload_eyes())

    assert no.rule == "outside-allowance"
    assert "/etc/passwd" in no.why


def test_a_folder_of_the_allowance_covers_what_lies_in_it_and_nothing_beside() -> None:
    inside = Occasion(INCIDENT, DIAGNOSIS, SERVICE, {"config": "/srv/orders/conf/deep/a.yaml"})
    beside = Occasion(INCIDENT, DIAGNOSIS, SERVICE, {"config": "/srv/orders/config.yaml"})

    assert plan(RELOAD, inside, reload_eyes()).steps
    assert refusal(RELOAD, beside, reload_eyes()).rule == "outside-allowance"


def test_a_process_is_allowed_by_the_declared_path_at_which_it_was_found() -> None:
    foreign = SERVICE.model_copy(update={"targets": (AllowedTarget(kind="sqlite", id="/srv/other.db"),)})
    no = refusal(occasion=Occasion(INCIDENT, DIAGNOSIS, foreign))

    assert no.rule == "outside-allowance"
    assert "/srv/orders/orders.db" in no.why


def test_a_process_that_was_not_found_is_not_allowed() -> None:
    text = changed('{pid: "${{ find.holder.pid }}", started_at', "{pid: 1, started_at")

    assert refusal(text).rule == "outside-allowance"


def test_a_process_may_name_the_declared_path_or_port_that_ties_it() -> None:
    port = SERVICE.model_copy(update={"targets": (AllowedTarget(kind="port", id="8080"),)})
    text = changed("      patience:", "      holds: /srv/orders/orders.db\n      patience:")
    text = changed('{pid: "${{ find.holder.pid }}", started_at', "{pid: 1, started_at", text)

    assert plan(text).steps
    assert refusal(text, Occasion(INCIDENT, DIAGNOSIS, port)).rule == "outside-allowance"


def test_the_way_back_of_a_reload_comes_after_the_file_is_restored() -> None:
    made = plan(RELOAD, eyes=reload_eyes())
    set_pool, reload = made.steps

    assert (set_pool.reversibility, set_pool.provider, set_pool.undo) == (Reversibility.EXACT, "files", None)
    assert reload.reversibility is Reversibility.COMPENSABLE
    assert reload.undo is not None
    assert reload.undo.after_restore
    assert reload.undo.parameters == reload.parameters
    assert made.reversibility is Reversibility.COMPENSABLE


def test_an_output_of_an_earlier_write_stays_open_until_it_is_there() -> None:
    text = telling("url: http://127.0.0.1:9/cache, body: 'wrote ${{ do.set_pool.size }}'")
    made = plan(text, eyes=reload_eyes())
    tell = made.steps[1]

    assert tell.parameters["body"] == "wrote ${{ do.set_pool.size }}"
    assert tell.predicted is None


def test_an_output_of_a_skipped_step_is_not_waited_for() -> None:
    text = telling("url: http://127.0.0.1:9/cache, body: 'wrote ${{ do.set_pool.size }}'")
    skipping = changed("    uses: file.set_value", "    if: 'false'\n    uses: file.set_value", text)
    no = refusal(skipping, eyes=reload_eyes())

    assert no.rule == "reference"
    assert "set_pool" in no.why


def test_an_output_cannot_name_a_target() -> None:
    text = telling("url: 'http://${{ do.set_pool.digest }}/'")

    assert refusal(text, eyes=reload_eyes()).rule == "target"


def test_what_the_hands_refuse_is_refused_with_their_words() -> None:
    no = refusal(hands=Hands(Refusal(rule="live-database", why="it is open", next="Close it.")))

    assert (no.rule, no.next) == ("live-database", "Close it.")
    assert "it is open" in no.why


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer ghp_0123456789abcdefghijklmnop"),
        ("X-Api-Key", "5f2b7c9d1e3a4f6b"),
        ("Cookie", "session=abcdef"),
    ],
)
def test_a_plan_that_would_show_a_secret_is_refused(header: str, value: str) -> None:
    text = telling(f'url: http://127.0.0.1:9/cache, headers: {{{header}: "${{{{ incident.title }}}}"}}')
    incident = INCIDENT.model_copy(update={"title": value})
    no = refusal(text, Occasion(incident, DIAGNOSIS, SERVICE), eyes=reload_eyes())

    assert no.rule == "secret"
    assert "ghp_" not in no.why
    assert "env:NAME" in no.next


@pytest.mark.parametrize("value", ["env:CACHE_TOKEN", "file:/run/secrets/token", "Bearer env:CACHE_TOKEN"])
def test_a_reference_to_a_secret_may_stand_in_a_plan(value: str) -> None:
    text = telling(f"url: http://127.0.0.1:9/cache, headers: {{Authorization: {value}}}")

    assert plan(text, eyes=reload_eyes()).steps


@given(
    st.dictionaries(st.sampled_from(["database", "engine", "note"]), st.text(max_size=40), max_size=3),
    st.text(max_size=80),
)
def test_any_incident_makes_a_plan_within_the_allowance_or_a_refusal(labels: dict[str, str], title: str) -> None:
    incident = INCIDENT.model_copy(update={"labels": labels, "title": title})
    text = changed("key: pool.size", "key: \"${{ incident.title }} ${{ incident.labels.note | default('') }}\"", RELOAD)
    outcome = rendered(text, Occasion(incident, DIAGNOSIS, SERVICE), reload_eyes())

    if isinstance(outcome, Plan):
        assert all(
            any(one.covers(target.kind, target.id) for one in SERVICE.targets) or target.kind == "process"
            for target in outcome.targets
        )
        assert "${{" not in str([step.parameters for step in outcome.steps])
        assert outcome.digest
