"""Probes that need a token: it is named, sent, and told nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from grace.kit.clock import SystemClock
from grace.model.reading import Known, Unknown
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.settings import secret_named
from tests.sense.collectors.conftest import Look, Site

TOKEN = "tiger-in-the-tank"
SECRETS = {"env:TOKEN": TOKEN, "env:BROKEN": f"{TOKEN}\r\nx-evil: yes"}
FROM = {"headers_from": {"Authorization": "Bearer env:TOKEN"}}


@pytest.fixture
def look() -> Iterator[Look]:
    with Eyes(found_collectors(Viewpoint(SystemClock(), SECRETS.get))) as eyes:

        def read(probe: str, **parameters: Any) -> Known | Unknown:
            return eyes.aim(probe, parameters).read()

        yield read


@pytest.mark.parametrize("probe", ["http.status", "http.ok", "http.latency_ms", "http.json"])
def test_plain_headers_and_secret_ones_are_sent(look: Look, site: Site, probe: str) -> None:
    site.body = b"[1]"
    assert isinstance(look(probe, url=site.url, headers={"X-Team": "shop"}, **FROM), Known)
    assert site.heard[0]["authorization"] == f"Bearer {TOKEN}"
    assert site.heard[0]["x-team"] == "shop"
    assert site.heard[0]["user-agent"] == "grace-probe"


def test_metrics_behind_a_token_can_be_read(look: Look, site: Site) -> None:
    site.body = b"up 1\n"
    assert look("metrics.value", url=site.url, name="up", **FROM) == Known(value=1.0)
    assert site.heard[0]["authorization"] == f"Bearer {TOKEN}"


def test_a_plain_header_may_replace_one_of_ours(look: Look, site: Site) -> None:
    look("http.status", url=site.url, headers={"User-Agent": "shop"})
    assert site.heard[0]["user-agent"] == "shop"


@pytest.mark.parametrize("reference", ["env:ABSENT", "file:/nonexistent/token", "env:BROKEN"])
@pytest.mark.parametrize("probe", ["http.status", "http.ok", "metrics.value"])
def test_a_reference_that_names_no_secret_is_unknown_and_nothing_is_sent(
    look: Look, site: Site, probe: str, reference: str
) -> None:
    name = {"name": "up"} if probe == "metrics.value" else {}
    found = look(probe, url=site.url, headers_from={"X-Key": reference}, **name)
    assert isinstance(found, Unknown)
    assert reference in found.why
    assert TOKEN not in found.why
    assert site.requests == []


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"headers": {"X-Api-Key": TOKEN}},
        {"headers_from": {"Authorization": TOKEN}},
        {"headers_from": {"Host": "env:TOKEN"}},
        {"headers": {"X-A": "1", "x-a": "2"}},
        {"headers": {"X-A": "1"}, "headers_from": {"x-a": "env:TOKEN"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"follow_redirects": True, **FROM},
    ],
)
def test_headers_that_would_show_or_lose_a_secret_are_refused(look: Look, site: Site, given: dict[str, Any]) -> None:
    found = look("http.status", url=site.url, **given)
    assert isinstance(found, Unknown)
    assert "cannot be aimed" in found.why
    assert site.requests == []


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"you sent": [f"Bearer {TOKEN}", {TOKEN: 1}]}).encode(),
        f"not json, but {TOKEN}".encode(),
        f'{{"a": "{TOKEN}", "a": 1}}'.encode(),
    ],
)
def test_a_server_that_repeats_the_secret_does_not_get_it_into_an_answer(look: Look, site: Site, body: bytes) -> None:
    site.body = body
    for probe, more in (("http.json", {}), ("metrics.value", {"name": "up"})):
        assert TOKEN not in repr(look(probe, url=site.url, **FROM, **more))


def test_the_server_resolves_the_references_that_its_settings_resolve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Site
) -> None:

    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    (tmp_path / "key").write_text("from a file\n")
    headers: dict[str, JsonValue] = {"X-One": "env:SHOP_TOKEN", "X-Two": f"file:{tmp_path / 'key'}"}
    with Eyes(found_collectors(Viewpoint(SystemClock(), secret_named))) as eyes:
        assert eyes.aim("http.status", {"url": site.url, "headers_from": headers}).read() == Known(value=200)
    assert (site.heard[0]["x-one"], site.heard[0]["x-two"]) == (TOKEN, "from a file")
