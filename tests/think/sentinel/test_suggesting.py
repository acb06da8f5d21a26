"""What a hand-over suggests: held against pydantic itself, which refuses the values for real."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from grace.model.diagnosis import Diagnosis, Evidence
from grace.model.service import Service
from grace.model.signal import Frame, Raised, Signal
from grace.shipped import shipped_folder
from grace.think.knowledge.loading import Knowledge, load_knowledge
from grace.think.sentinel.suggesting import MOST, suggest
from tests.think.incidents.signals import said

EXAMPLE = re.compile(r"for example (.+?) passes")


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge([shipped_folder("knowledge")])


def diagnosed(cause: str, *rules: str) -> Diagnosis:
    evidence = tuple(Evidence(what="w", where="message", rule=rule, source="s") for rule in rules)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Diagnosis(incident_id="inc", cause=cause, confidence=0.9, evidence=evidence, knowledge_digest="k", at=at)


def raised(message: str, *frames: Frame) -> Signal:
    exception = Raised(type="pydantic_core.ValidationError", message=message, frames=frames)
    return said("x").model_copy(update={"exception": exception})


def refused(model: type[BaseModel], given: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    return str(caught.value)


def made(field: str, type_: object, rule: object = ...) -> type[BaseModel]:
    create: Any = create_model
    return create("Made", **{field: (type_, rule)})


def suggested(knowledge: Knowledge, message: str, **labels: str) -> tuple[str, ...]:
    service = Service(name="orders", labels=labels)
    return suggest(diagnosed("validation_error"), [raised(message)], knowledge, service)


_BREAKS = {"gt": 0, "ge": -1, "lt": 0, "le": 1}
"""How far from each bound lies the nearest value that breaks it."""


@given(word=st.sampled_from(sorted(_BREAKS)), bound=st.integers(-(10**9), 10**9), data=st.data())
def test_a_value_that_is_said_to_pass_a_bound_does_pass_it(
    knowledge: Knowledge, word: str, bound: int, data: st.DataObject
) -> None:
    bounded: Any = Field
    field = bounded(**{word: bound})
    model = made("quantity", int, field)
    broken = {"quantity": bound + _BREAKS[word]}
    (line, *_) = suggested(knowledge, refused(model, broken))

    example = EXAMPLE.search(line)
    assert example is not None
    assert line.startswith("field quantity: ")
    model.model_validate({"quantity": int(example[1])})
    declared = data.draw(st.integers(bound - 3, bound + 3))
    (again, *_) = suggested(knowledge, refused(model, broken), **{"default.quantity": str(declared)})
    assert (f"the declared default {declared} passes" in again) is _passes(model, declared)


def _passes(model: type[BaseModel], quantity: int) -> bool:
    try:
        model.model_validate({"quantity": quantity})
    except ValidationError:
        return False
    return True


class Order(BaseModel):
    kind: Literal["tea", "cake"]
    at: datetime
    quick: bool
    price: float
    note: str = Field(min_length=3)
    where: Path


def test_a_value_of_each_type_is_named_and_passes(knowledge: Knowledge) -> None:
    message = refused(Order, {"kind": "x", "at": "x", "quick": "x", "price": "x", "note": "x", "where": 3})
    told = suggested(knowledge, message)

    fields = {line.split(":")[0].removeprefix("field "): EXAMPLE.search(line) for line in told if line.startswith("fi")}
    assert set(fields) == {"kind", "at", "quick", "price", "note", "where"}
    for name in ("kind", "at", "quick", "price"):
        example = fields[name]
        assert example is not None
        annotation: Any = Order.model_fields[name].annotation
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.validate_json(example[1])
    assert fields["note"] is not None
    assert fields["note"][1] == "a text of 3 characters"
    assert fields["where"] is None


def test_what_is_missing_is_said_and_a_declared_default_offered(knowledge: Knowledge) -> None:
    (line, *_) = suggested(knowledge, refused(made("item", str), {}), **{"default.item": "tea"})

    assert line == "field item: Field required; the declared default tea passes"


@pytest.mark.parametrize(
    ("broken", "wanted"),
    [("int", "a whole number, such as 42"), ("float", "a number, such as 1.5"), ("time", "an ISO 8601 time")],
)
def test_a_value_that_python_cannot_read_is_told_with_the_function_that_takes_it(
    knowledge: Knowledge, broken: str, wanted: str
) -> None:
    readers = {"int": int, "float": float, "time": datetime.fromisoformat}
    with pytest.raises(ValueError, match="abc") as caught:
        readers[broken]("abc")
    signal = raised(str(caught.value), Frame(module="orders.app", function="post_order", file="orders/app.py"))

    told = suggest(diagnosed("validation_error"), [signal], knowledge, Service(name="orders"))

    assert told[0].startswith(f"the value that post_order (orders.app) takes has to be {wanted}")


def test_what_the_cited_knowledge_advises_is_said_and_never_more_than_a_few(knowledge: Knowledge) -> None:
    cited = diagnosed("disk_full", "disk-full")
    everything = diagnosed("disk_full", *(rule.id for rule in knowledge.rules))

    assert any("declared scratch" in one for one in suggest(cited, [], knowledge, Service(name="orders")))
    assert len(suggest(everything, [], knowledge, Service(name="orders"))) == MOST


def test_the_refused_value_itself_is_never_repeated(knowledge: Knowledge) -> None:
    model = made("age", int)

    assert not any("hunter2" in one for one in suggested(knowledge, refused(model, {"age": "hunter2"})))
