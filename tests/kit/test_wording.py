from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from grace.kit.wording import in_words


def _even(number: int) -> int:
    if number % 2:
        message = "must be even, as 4 is"
        raise ValueError(message)
    return number


class Inner(BaseModel):
    name: Annotated[str, Field(pattern="^[a-z]+$")]


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    even: Annotated[int, AfterValidator(_even)] = 4
    word: Literal["a", "b"] = "a"
    size: Annotated[int, Field(ge=1)] = 1
    inner: tuple[Inner, ...] = ()


REFUSED: list[tuple[Any, str]] = [
    ({"even": 3}, "even: must be even, as 4 is"),
    ({"word": "s3cret"}, "word: should be 'a' or 'b'"),
    ({"size": 0}, "size: should be at least 1"),
    ({"size": 1.5}, "size: should be a whole number"),
    ({"size": "s3cret"}, "size: should be a whole number"),
    ({"inner": ({},)}, "inner.0.name: is missing"),
    ({"inner": ({"name": "S3CRET"},)}, "inner.0.name: should match pattern '^[a-z]+$'"),
    ({"s3cret": 1, "size": 0}, "size: should be at least 1; s3cret: is not known here"),
    ("s3cret", "should be an object"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED)
def test_what_a_model_refuses_is_told_by_field_and_without_the_value(given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Given.model_validate(given)
    assert in_words(refused.value) == told


def test_many_flaws_are_told_up_to_a_number() -> None:
    with pytest.raises(ValidationError) as refused:
        Given.model_validate({"inner": ({},) * 40})
    assert in_words(refused.value).endswith("inner.9.name: is missing; and 30 more")


def test_a_database_error_is_what_the_driver_said() -> None:
    with create_engine("sqlite://").connect() as connection, pytest.raises(SQLAlchemyError) as failed:
        connection.execute(text("SELECT * FROM nowhere WHERE a = :secret"), {"secret": "hunter2"})
    assert in_words(failed.value) == "no such table: nowhere"


def test_json_is_told_with_line_and_column() -> None:
    with pytest.raises(json.JSONDecodeError) as refused:
        json.loads('{"a":\n  x}')
    assert in_words(refused.value) == "expecting value at line 2, column 3"


def test_an_error_without_words_is_told_by_its_name_and_a_long_one_by_its_first_line() -> None:
    assert in_words(TimeoutError()) == "TimeoutError"
    assert in_words(RuntimeError("The disk is full.\nTraceback ...")) == "The disk is full"
