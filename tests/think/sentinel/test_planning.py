from __future__ import annotations

import pytest

from grace.model.plan import Plan
from grace.think.playbooks.loading import Library, LoadedPlaybook
from grace.think.playbooks.means import Means
from grace.think.playbooks.render import Occasion
from grace.think.sentinel.choosing import NoneFits, choose
from grace.think.sentinel.planning import NoPlan, plan
from tests.think.worlds import CATALOGUE, DIAGNOSIS, INCIDENT, SERVICE, STUCK_WRITER, Eyes, Hands, loaded

STUCK = loaded(STUCK_WRITER)
OCCASION = Occasion(INCIDENT, DIAGNOSIS, SERVICE)
MEANS = Means(CATALOGUE, Eyes(), Hands())


def variant(name: str, *, priority: int = 100, labels: str = "engine: sqlite") -> LoadedPlaybook:
    text = STUCK_WRITER.replace("sqlite-release-stuck-writer", name).replace("{engine: sqlite}", f"{{{labels}}}")
    return loaded(text.replace("inputs:", f"priority: {priority}\ninputs:", 1))


def chosen(*playbooks: LoadedPlaybook, tried: tuple[str, ...] = ()) -> str:
    one = choose(DIAGNOSIS, INCIDENT, SERVICE, playbooks, tried)
    return one.why if isinstance(one, NoneFits) else one.playbook.name


def test_the_lowest_rung_is_taken_first_and_the_next_when_it_was_tried() -> None:
    ladder = (variant("third", priority=30), variant("first", priority=10), variant("second", priority=20))

    assert chosen(*ladder) == "first"
    assert chosen(*ladder, tried=("first",)) == "second"
    assert chosen(*ladder, tried=("first", "second", "third")) == "no playbook for database_locked fits orders"


def test_among_equals_the_one_that_asks_for_more_is_taken() -> None:
    assert chosen(variant("a-general", labels=""), variant("b-special")) == "b-special"


def test_a_label_of_the_service_counts_where_the_incident_has_none() -> None:
    assert chosen(variant("one", labels="config: /srv/orders/conf/app.yaml")) == "one"
    assert "fits" in chosen(variant("one", labels="config: /etc"))


def test_a_playbook_whose_contract_cannot_be_measured_is_passed_over() -> None:
    bare = SERVICE.model_copy(update={"indicators": {}})
    none = choose(DIAGNOSIS, INCIDENT, bare, [STUCK])

    assert isinstance(none, NoneFits)
    assert "metric error_rate" in none.considered[0]


def test_an_unknown_cause_chooses_nothing() -> None:
    unknown = DIAGNOSIS.model_copy(update={"cause": "unknown"})

    assert isinstance(choose(unknown, INCIDENT, SERVICE, [STUCK]), NoneFits)


def test_a_diagnosis_becomes_the_plan_of_the_playbook_that_fits() -> None:
    made = plan(OCCASION, Library((STUCK,)), MEANS)

    assert isinstance(made, Plan)
    assert (made.playbook, made.playbook_digest, made.cause) == (STUCK.playbook.name, STUCK.digest, "database_locked")


def test_a_person_may_name_the_playbook() -> None:
    library = Library((variant("first", priority=1), STUCK))
    made = plan(OCCASION, library, MEANS, asked_for=STUCK.playbook.name, tried=(STUCK.playbook.name,))

    assert isinstance(made, Plan)
    assert made.playbook == STUCK.playbook.name


@pytest.mark.parametrize(
    ("asked_for", "rule"), [("sqlite-release", "no-playbook"), ("other-cause", "does-not-fit"), (None, "no-playbook")]
)
def test_where_nothing_fits_it_is_said_why(asked_for: str | None, rule: str) -> None:
    other = loaded(
        STUCK_WRITER.replace("database_locked", "timeout").replace("sqlite-release-stuck-writer", "other-cause")
    )
    none = plan(OCCASION, Library((other,)), MEANS, asked_for=asked_for)

    assert isinstance(none, NoPlan)
    assert none.refusal.rule == rule
    assert none.refusal.next


def test_a_refused_rendering_names_the_playbook() -> None:
    none = plan(OCCASION, Library((STUCK,)), Means(CATALOGUE, Eyes({}), Hands()))

    assert isinstance(none, NoPlan)
    assert none.considered[0].startswith("sqlite-release-stuck-writer 1.0.0: find holder")


def test_a_person_cannot_name_a_playbook_against_an_unknown_cause() -> None:
    unknown = Occasion(INCIDENT, DIAGNOSIS.model_copy(update={"cause": "unknown"}), SERVICE)

    assert isinstance(plan(unknown, Library((STUCK,)), MEANS, asked_for=STUCK.playbook.name), NoPlan)


def test_a_rung_of_which_no_plan_can_be_made_is_passed_over_for_the_next() -> None:
    aimless = loaded(
        STUCK_WRITER.replace("sqlite-release-stuck-writer", "aimless")
        .replace("from: incident.labels.database", "from: incident.labels.nowhere")
        .replace("inputs:", "priority: 1\ninputs:", 1)
    )
    second = variant("second", priority=2)

    made = plan(OCCASION, Library((aimless, second)), MEANS)
    none = plan(OCCASION, Library((aimless, second)), Means(CATALOGUE, Eyes({}), Hands()))

    assert isinstance(made, Plan)
    assert made.playbook == "second"
    assert isinstance(none, NoPlan)
    assert [one.split(" ")[0] for one in none.considered] == ["aimless", "second"]
    assert none.refusal.rule == "input"
