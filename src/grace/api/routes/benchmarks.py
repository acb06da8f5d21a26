"""Benchmarks: measured, listed, made golden."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from grace.api.access import Admin, Operator, TheHouse, Viewer
from grace.api.paging import AskedPage, Page, rows_of
from grace.api.problems import documented, not_found, refused
from grace.api.service_names import require_declared, require_known
from grace.api.texts import Identifier, Name
from grace.api.views import Asked, BenchmarkView
from grace.model.verdict import Benchmark
from grace.model.warrant import Refusal
from grace.record.store.tables import benchmark_runs

router = APIRouter(prefix="/api/verification/benchmarks", tags=["benchmarks"])
_MISSING_OR_NO = documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class Measuring(Asked):
    """Which service to measure."""

    service: Name


@router.get("")
def list_benchmarks(
    _viewer: Viewer, house: TheHouse, wanted: AskedPage, service: Annotated[str | None, Query(max_length=64)] = None
) -> Page[BenchmarkView]:
    """List measurements, newest first."""
    if service is not None:
        require_known(house, service, benchmark_runs, "GET /api/verification/benchmarks?service={}")
    where = [] if service is None else [benchmark_runs.c.service == service]
    with house.record.read() as connection:
        rows, following = rows_of(connection, benchmark_runs, "at", wanted, *where)
    return Page(items=[BenchmarkView.model_validate(row) for row in rows], next_cursor=following)


@router.get("/{benchmark_id}", responses=documented(HTTPStatus.NOT_FOUND))
def get_benchmark(benchmark_id: Identifier, _viewer: Viewer, house: TheHouse) -> BenchmarkView:
    """Show one measurement with its values."""
    with house.record.read() as connection:
        row = connection.execute(select(benchmark_runs).where(benchmark_runs.c.id == benchmark_id)).mappings().first()
    if row is None:
        not_found("benchmark", benchmark_id, "GET /api/verification/benchmarks")
    return BenchmarkView.model_validate(row)


@router.post("/smoke", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def smoke(body: Measuring, operator: Operator, house: TheHouse) -> Benchmark:
    """Measure the benchmark `smoke` of a service now."""
    return _measured(body, "smoke", operator, house)


@router.post("/regression", status_code=HTTPStatus.CREATED, responses=_MISSING_OR_NO)
def regression(body: Measuring, operator: Operator, house: TheHouse) -> Benchmark:
    """Measure the benchmark `regression` of a service now."""
    return _measured(body, "regression", operator, house)


@router.post("/{benchmark_id}/set_golden", responses=_MISSING_OR_NO)
def set_golden(benchmark_id: Identifier, admin: Admin, house: TheHouse) -> Benchmark:
    """Make a passing measurement the baseline that others are held against."""
    return _told(house.proofs.make_golden(benchmark_id, admin.name))


def _measured(body: Measuring, name: str, operator: Operator, house: TheHouse) -> Benchmark:
    require_declared(house, body.service, "Did you mean {}?")
    return _told(house.proofs.benchmark(body.service, name, operator.name))


def _told(measured: Benchmark | Refusal) -> Benchmark:
    if isinstance(measured, Refusal):
        raise refused(measured)
    return measured
