"""Whatever was found, the proposal is read by our own loader and means what it says."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.kit.clock import SystemClock
from grace.kit.documents import Document
from grace.kit.procfs import Endpoint
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.model.service import Mode, Service
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.sense.declarations import Declared, read_services
from grace.sense.discovery.findings import ErrorRate, FoundService, Survey, Traced, Unseen, shown
from grace.sense.discovery.writing import scalar, write_proposal

PRINTABLE = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=40)
PATHS = PRINTABLE.map(lambda text: "/" + text.replace("\0", "").replace("/", "_"))
TRACED = st.builds(Traced, PATHS, PRINTABLE)
PORTS = st.integers(1, 65_535)
RATES = st.builds(
    ErrorRate,
    PORTS.map(lambda port: f"http://127.0.0.1:{port}/metrics"),
    st.just("errors_total"),
    st.just("requests_total"),
    st.sampled_from(["", "status"]),
    PRINTABLE,
)
PAGES = st.builds(Traced, PORTS.map(lambda port: f"http://127.0.0.1:{port}/healthz"), PRINTABLE)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    with Eyes(found_collectors(Viewpoint(SystemClock()))) as eyes:
        return Catalogue(actions={}, probes=eyes.specs)


@st.composite
def services(draw: st.DrawFn) -> tuple[FoundService, ...]:
    names = draw(st.lists(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True), min_size=1, unique=True))
    several = st.lists(TRACED, max_size=3, unique_by=lambda one: one.value).map(tuple)
    return tuple(
        FoundService(
            name=name,
            source=draw(PRINTABLE),
            address=draw(st.none() | PAGES),
            databases=draw(several),
            configurations=draw(several),
            logs=draw(several),
            pid_file=draw(st.none() | TRACED),
            error_rate=draw(st.none() | RATES),
            health=draw(st.none() | PAGES),
            depends_on=tuple(Traced(other, draw(PRINTABLE)) for other in names[:1] if other != name),
            notes=tuple(draw(st.lists(PRINTABLE, max_size=2))),
        )
        for name in names
    )


def _read(text: str, catalogue: Catalogue) -> tuple[Service, ...]:
    declared: Declared = read_services(text, "grace.yaml", Path("/"), catalogue)
    assert declared.flaws == ()
    return declared.services


@given(found=services(), unseen=st.lists(st.builds(Unseen, PRINTABLE, PRINTABLE, PRINTABLE), max_size=2))
def test_every_proposal_loads_in_the_mode_observe_and_names_what_was_found(
    catalogue: Catalogue, found: tuple[FoundService, ...], unseen: list[Unseen]
) -> None:
    read = _read(write_proposal(Survey(found, (), tuple(unseen))), catalogue)
    assert [one.name for one in read] == [one.name for one in found]
    assert {one.mode for one in read} == {Mode.OBSERVE}
    for service, one in zip(read, found, strict=True):
        assert len(service.targets) == len(one.databases)
        assert len(service.evidence) == len(one.logs)
        assert ("error_rate" in service.indicators) == (one.error_rate is not None)
        assert ("smoke" in service.benchmarks) == (one.health is not None)
        assert service.depends_on == tuple(each.value for each in one.depends_on)
        assert (service.labels.get("database") == one.databases[0].value) if len(one.databases) == 1 else True


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_a_scalar_is_read_as_exactly_this_text(text: str) -> None:
    document = read_yaml(f"key: {scalar(text)}\nflow: {{a: {scalar(text)}}}\n", "x.yaml")
    assert isinstance(document, Document)
    assert document.value == {"key": text, "flow": {"a": text}}


def test_a_secret_in_a_comment_is_not_written() -> None:
    found = FoundService("shop", "process 1: shop --password=hunter22", notes=("postgres://u:hunter22@db/x",))
    text = write_proposal(Survey((found,), (), (Unseen("port 1", "token=hunter22"),)))
    assert "hunter22" not in text


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert shown(Endpoint(ip_address("::1"), 80)) == "[::1]:80"
    assert shown(Endpoint(ip_address("127.0.0.1"), 80)) == "127.0.0.1:80"
