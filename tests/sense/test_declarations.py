from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.model.catalogue import Answers, Catalogue, ProbeSpec
from grace.model.noun import Noun
from grace.model.quantities import AbsolutePath
from grace.model.service import AllowedTarget, Mode, Service
from grace.sense.declarations import Declared, load_services, read_services


class At(Noun):
    path: AbsolutePath


CATALOGUE = Catalogue(
    actions={},
    probes={
        "file.size": ProbeSpec("file.size", "", At, Answers.NUMBER),
        "file.text": ProbeSpec("file.text", "", At, Answers.TEXT),
    },
)
FILE = """\
format: 1
environment: staging
defaults: {owner: team-orders, labels: {region: eu}}
services:
  - name: orders
    mode: auto
    labels: {tier: web}
    indicators:
      errors: {probe: file.size, with: {path: /srv/errors}, every: 500ms}
    benchmarks:
      smoke: {probe: file.size, with: {path: /srv/smoke}, samples: 10}
    targets:
      - {kind: sqlite, id: data/orders.db}
      - {kind: file, id: /srv/conf/}
      - {kind: port, id: "8080"}
    evidence: [orders.log]
    pid_file: run/orders.pid
    depends_on: [payments]
  - name: payments
    environment: production
    owner: team-pay
"""


def read(text: str = FILE, folder: Path = Path("/etc/grace")) -> Declared:
    return read_services(text, "grace.yaml", folder, CATALOGUE)


def services(text: str = FILE) -> dict[str, Service]:
    declared = read(text)
    assert declared.flaws == ()
    return {service.name: service for service in declared.services}


def test_a_service_has_what_is_written_and_else_the_defaults() -> None:
    orders, payments = services()["orders"], services()["payments"]

    assert (orders.environment, orders.owner, orders.mode) == ("staging", "team-orders", Mode.AUTO)
    assert (payments.environment, payments.owner, payments.mode) == ("production", "team-pay", Mode.OBSERVE)
    assert orders.labels == {"region": "eu", "tier": "web"}
    assert orders.indicators["errors"].every == 0.5
    assert orders.benchmarks["smoke"].samples == 10


def test_a_service_that_says_nothing_is_only_observed() -> None:
    assert services("format: 1\nservices: [{name: a}]")["a"].mode is Mode.OBSERVE


def test_paths_are_real_and_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "grace.yaml").write_text(
        FILE.replace("data/orders.db", "link/orders.db").replace("/srv/conf/", "link/")
    )
    (orders, _) = load_services(tmp_path / "grace.yaml", CATALOGUE).services
    real = (tmp_path / "real").resolve()

    assert orders.targets == (
        AllowedTarget(kind="sqlite", id=str(real / "orders.db")),
        AllowedTarget(kind="file", id=f"{real}/"),
        AllowedTarget(kind="port", id="8080"),
    )
    assert orders.pid_file == str(tmp_path.resolve() / "run" / "orders.pid")
    assert orders.evidence == (str(tmp_path.resolve() / "orders.log"),)


INSIDE = ("own/grace.db", "own/", "own", "own/vault/", "link", "link/deep/er", "aside/../own/x", "indirect/y", "loop")


@pytest.mark.parametrize("target", INSIDE)
def test_a_target_in_the_own_folder_of_grace_is_refused_with_its_line(tmp_path: Path, target: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "aside").mkdir()
    (tmp_path / "link").symlink_to("own")
    (tmp_path / "indirect").symlink_to("aside/again")
    (tmp_path / "aside" / "again").symlink_to("../own")
    (tmp_path / "own" / "loop").symlink_to("loop")
    (tmp_path / "loop").symlink_to("own/loop")
    text = FILE.replace("data/orders.db", target)

    (flaw,) = read_services(text, "grace.yaml", tmp_path, CATALOGUE, own=tmp_path / "link").flaws
    assert (flaw.rule, flaw.line) == ("own-folder", text[: text.index(f"id: {target}")].count("\n") + 1)
    assert "GRACE_DATA_FOLDER" in flaw.next


@pytest.mark.parametrize("target", ["owner/grace.db", "own.db", "aside/", "away"])
def test_a_target_beside_the_own_folder_of_grace_is_taken(tmp_path: Path, target: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "away").symlink_to("../aside")
    (tmp_path / "away").symlink_to("own/away")

    text = FILE.replace("data/orders.db", target)
    assert read_services(text, "grace.yaml", tmp_path, CATALOGUE, own=tmp_path / "own").flaws == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "rule", "hint"),
    [
        ("mode: auto", "modee: auto", 6, "unknown-key", "'mode'"),
        ("mode: auto", "mode: automatic", 6, "wrong-value", "'observe'"),
        ("name: orders", "name: Orders!", 5, "wrong-value", "pattern"),
        ("format: 1", "format: 2", 1, "wrong-value", "1"),
        ("environment: staging", "enviroment: staging", 2, "unknown-key", "'environment'"),
        ("owner: team-orders", "ownr: team-orders", 3, "unknown-key", "'owner'"),
        ("probe: file.size, with: {path: /srv/errors}", "probe: file.siz", 9, "unknown-probe", "'file.size'"),
        (
            "probe: file.size, with: {path: /srv/smoke}",
            "probe: file.text, with: {path: /a}",
            11,
            "not-a-number",
            "text",
        ),
        ("{path: /srv/errors}", "{path: errors}", 9, "wrong-value", "absolute"),
        ("{path: /srv/errors}", "{pth: /srv/errors}", 9, "unknown-key", "'path'"),
        ("{path: /srv/errors}", "{}", 9, "missing-key", "path"),
        ("every: 500ms", "every: often", 9, "wrong-value", "500ms"),
        ("samples: 10", "samples: 2", 11, "wrong-value", "5"),
        ('id: "8080"', "id: 8080", 15, "wrong-type", "quotes"),
        ("[payments]", "[paymnts]", 18, "unknown-service", "'payments'"),
        ("pid_file:", "staging: nowhere\n    pid_file:", 17, "unknown-service", "Known"),
        ("name: payments\n    environment: production", "name: orders", 19, "repeated-service", "Rename"),
        ("  - name: payments", "  - nme: payments", 19, "missing-key", "name"),
    ],
)
def test_a_mistake_is_told_in_its_line(old: str, new: str, line: int, rule: str, hint: str) -> None:
    assert old in FILE
    declared = read(FILE.replace(old, new, 1))

    assert declared.services == ()
    assert any(
        (one.line, one.rule) == (line, rule) and hint in f"{one.message} {one.next}" for one in declared.flaws
    ), declared.flaws


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "format: 1", "format: 1\nservices: []", "format: 1\nservices: 3", "a: ["]
)
def test_what_declares_no_service_is_refused(text: str) -> None:
    assert read(text).flaws


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    (flaw,) = load_services(tmp_path / "grace.yaml", CATALOGUE).flaws

    assert flaw.rule == "unreadable"
    assert flaw.next


@given(st.data())
def test_a_mangled_file_gives_services_or_flaws_and_never_an_error(data: st.DataObject) -> None:
    lines = FILE.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        words = lines[at].split(" ")
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(
            st.sampled_from(["", "3", "null", "[]", "{}", "-", "off", "a: b", "''", "- - x"])
        )
        lines[at] = " ".join(words)
    declared = read("\n".join(lines))

    assert bool(declared.services) != bool(declared.flaws)
