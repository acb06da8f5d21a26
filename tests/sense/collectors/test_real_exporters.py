"""Probes of metrics and pages against a real Prometheus and a real exporter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import JsonValue, TypeAdapter

from grace.model.reading import Known, Unknown
from tests.machine import reading
from tests.machine.machine import Machine, open_machine
from tests.machine.parts import start_exporter, start_prometheus

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXPORTER: Final = "http://127.0.0.1:9100/metrics"
PROMETHEUS: Final = "http://127.0.0.1:9090"
METRICS: Final = f"{PROMETHEUS}/metrics"
FEDERATE: Final = f"{PROMETHEUS}/federate?match[]=up"
QUERY: Final = f"{PROMETHEUS}/api/v1/query?query="
OF_PAGES: Final = {"handler": "/metrics"}
REQUESTS: Final = "prometheus_http_requests_total"
VALUE: Final = "/data/result/0/value/1"
_ANSWERS: Final[TypeAdapter[list[Known | Unknown]]] = TypeAdapter(list[Known | Unknown])
ASKED: Final[Mapping[str, tuple[str, int, dict[str, Any]]]] = {
    "memory": ("metrics.value", 1, {"url": EXPORTER, "name": "node_memory_MemTotal_bytes"}),
    "system": ("metrics.value", 1, {"url": EXPORTER, "name": "node_uname_info", "labels": {"sysname": "=~L.*x"}}),
    "switches": ("metrics.rate", 2, {"url": EXPORTER, "name": "node_context_switches_total"}),
    "idle": (
        "metrics.ratio",
        2,
        {
            "url": EXPORTER,
            "numerator": {"name": "node_cpu_seconds_total", "labels": {"mode": "idle"}},
            "denominator": {"name": "node_cpu_seconds_total"},
        },
    ),
    "several": ("metrics.value", 1, {"url": EXPORTER, "name": "node_cpu_seconds_total"}),
    "ready": ("metrics.value", 1, {"url": METRICS, "name": "prometheus_ready"}),
    "first": ("metrics.rate", 1, {"url": METRICS, "name": REQUESTS}),
    "scrapes": ("metrics.rate", 3, {"url": METRICS, "name": REQUESTS, "labels": OF_PAGES}),
    "failed": (
        "metrics.ratio",
        3,
        {
            "url": METRICS,
            "numerator": {"name": REQUESTS, "labels": {"code": "=~5.."}},
            "denominator": {"name": REQUESTS},
            "absent_numerator": "zero",
        },
    ),
    "quantile": (
        "metrics.value",
        1,
        {"url": METRICS, "name": "prometheus_rule_evaluation_duration_seconds", "labels": {"quantile": "0.5"}},
    ),
    "bucket": (
        "metrics.value",
        1,
        {
            "url": METRICS,
            "name": "prometheus_http_request_duration_seconds_bucket",
            "labels": {"handler": "/metrics", "le": "+Inf"},
        },
    ),
    "up": ("metrics.value", 1, {"url": FEDERATE, "name": "up", "labels": {"job": "exporter"}}),
    "down": ("metrics.value", 1, {"url": FEDERATE, "name": "up", "labels": {"job": "gone"}}),
    "too old": ("metrics.value", 1, {"url": FEDERATE, "name": "up", "stale_after": "1ms", "labels": {"job": "gone"}}),
    "asked up": ("http.json", 1, {"url": f'{QUERY}up{{job="exporter"}}', "pointer": VALUE}),
    "asked down": ("http.json", 1, {"url": f'{QUERY}up{{job="gone"}}', "pointer": VALUE}),
    "asked absent": ("http.json", 1, {"url": f"{QUERY}no_such_series", "pointer": VALUE}),
    "asked amiss": ("http.json", 1, {"url": f"{QUERY}}}", "pointer": VALUE}),
    "healthy": ("http.ok", 1, {"url": f"{PROMETHEUS}/-/healthy", "contains": "Healthy"}),
    "moved": ("http.status", 1, {"url": f"{PROMETHEUS}/"}),
}


def read_all(machine: Machine) -> dict[str, Known | Unknown]:
    asked = [{"probe": probe, "with": given, "reads": reads} for probe, reads, given in ASKED.values()]
    said = machine.call([sys.executable, reading.__file__, json.dumps(asked)])
    assert said.returncode == 0, said.stderr
    return dict(zip(ASKED, _ANSWERS.validate_json(said.stdout), strict=True))


@dataclass(frozen=True, slots=True)
class Read:
    """What the probes answered while all was at work, and when the exporter was gone and Prometheus hung."""

    at_work: dict[str, Known | Unknown]
    gone: dict[str, Known | Unknown]

    def known(self, name: str) -> JsonValue:
        found = self.at_work[name]
        assert isinstance(found, Known), found
        return found.value

    def number(self, name: str) -> float:
        found = self.known(name)
        assert isinstance(found, int | float)
        return found


def why(found: Known | Unknown) -> str:
    assert isinstance(found, Unknown), found
    return found.why


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], Path]) -> Generator[Read]:
    for tool in ("prometheus", "prometheus-node-exporter", "unshare"):
        require_tool(tool)
    with open_machine(tmp_path_factory.mktemp("machine")) as machine:
        exporter = start_exporter(machine)
        prometheus = start_prometheus(machine, {"exporter": ["127.0.0.1:9100"], "gone": ["127.0.0.1:9"]})
        at_work = read_all(machine)
        machine.stop(exporter)
        machine.stop(prometheus, "KILL")
        yield Read(at_work, read_all(machine))


def test_values_of_a_real_exporter_are_those_of_the_machine(read: Read) -> None:
    assert read.number("memory") == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert read.number("system") == 1
    assert "series of node_cpu_seconds_total match" in why(read.at_work["several"])


def test_rates_and_ratios_of_a_real_exporter_are_measured_between_two_reads(read: Read) -> None:
    assert read.number("switches") > 0
    assert 0 <= read.number("idle") <= 1


def test_a_prometheus_counts_the_reads_of_its_own_page(read: Read) -> None:
    assert read.number("ready") == 1
    assert "first reading" in why(read.at_work["first"])
    assert read.number("scrapes") > 0
    assert read.number("failed") == 0
    assert read.number("bucket") >= 1


def test_a_quantile_of_nothing_is_unknown(read: Read) -> None:
    assert why(read.at_work["quantile"]) == "prometheus_rule_evaluation_duration_seconds is nan"


def test_what_a_prometheus_holds_of_others_is_read_by_page_and_by_query(read: Read) -> None:
    assert (read.number("up"), read.number("down")) == (1, 0)
    assert "no fresh series up" in why(read.at_work["too old"])
    assert (read.known("asked up"), read.known("asked down")) == ("1", "0")
    assert why(read.at_work["asked absent"]) == f"there is nothing at {VALUE}"
    assert why(read.at_work["asked amiss"]) == "the answer has status 400"


def test_its_health_is_told_and_a_redirect_is_not_followed(read: Read) -> None:
    assert read.known("healthy") is True
    assert read.known("moved") == 302


def test_nothing_is_known_of_what_is_gone_but_that_it_does_not_answer(read: Read) -> None:
    told = {name for name, found in read.gone.items() if isinstance(found, Known)}
    assert told == {"healthy"}
    assert read.gone["healthy"] == Known(value=False)
    assert "refused" in why(read.gone["memory"])
