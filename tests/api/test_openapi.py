"""The OpenAPI document is the contract: kept as a file, and every answer to any request follows it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.api.application import create_app
from grace.api.house import House
from grace.api.roles import Role
from grace.record.opening import RecordPlaces, open_record
from tests.api.houses import Engine, make_house, open_incident, tokens_of, walk_a_run
from tests.api.serving import served

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
EXAMPLES = 12


def test_the_kept_openapi_document_is_the_one_that_is_served(app: FastAPI) -> None:
    served_now = json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_OPENAPI") == "1":
        SNAPSHOT.write_text(served_now, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == served_now, (
        "run the test with UPDATE_OPENAPI=1 and review the change"
    )


def test_every_route_says_what_it_does_and_how_it_refuses(app: FastAPI) -> None:
    silent: list[str] = []
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            responses = set(told["responses"])
            if not told.get("description") or not {"422", "503"} <= responses:
                silent.append(f"{method} {path}")
            if path not in {"/api/healthz", "/api/auth/login"} and not {"401", "403"} <= responses:
                silent.append(f"{method} {path} does not say who may")
    assert silent == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_record(RecordPlaces.within(tmp_path_factory.mktemp("record"))) as record:
        made = make_house(record, Engine())
        open_incident(record)
        walk_a_run(made)
        yield made


@pytest.fixture(scope="module")
def address(house: House) -> Iterator[str]:
    with served(create_app(house)) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(house: House) -> str:
    return tokens_of(house)[Role.ADMIN]


# The annotations of schemathesis leave types open, so it is taken as it comes.
fuzzing: Any = import_module("schemathesis")
conformance: Any = import_module("schemathesis.checks")
CHECKS: Any = [
    conformance.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]
OPERATIONS: Any = [
    found.ok()
    for found in fuzzing.openapi.from_path(SNAPSHOT).get_all_operations()  # as it is kept, so as served
]


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_finds_a_server_error_or_an_undocumented_answer(operation: Any, address: str, admin: str) -> None:
    modes = fuzzing.GenerationMode

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)))
    def answers(case: Any) -> None:
        case.call_and_validate(base_url=address, headers={"Authorization": f"Bearer {admin}"}, checks=CHECKS)

    answers()
