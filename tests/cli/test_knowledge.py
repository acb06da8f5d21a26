"""`grace knowledge` as a person types it: against a real server, and on files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from grace import wiring
from grace.api.roles import Role
from grace.cli.exits import Exit
from grace.model.events import EventType, KnowledgeLoaded
from grace.settings import load_settings
from grace.shipped import shipped_folder
from tests.cli.conftest import Grace, Said
from tests.cli.world import World, open_world, serving

pytestmark = pytest.mark.slow
PACK = """\
format: 1
pack: mine
version: {version}
summary: What only we know
rules:
  - id: boiler-cold
    cause: boiler_cold
    title: The boiler is cold
    signature: {{any: [{{text: 'boiler is (?:ice )?cold'}}]}}
    confidence: 0.9
    source: The boiler's own manual, page 3
    advice: {advice}
    checks:
      - {{probe: {probe}, confirms: {{below: 1}}, tells: how busy the machine is}}
    examples:
      positive: [{positive}]
      negative: [the boiler is hot]
"""


def pack(
    version: str = "1.0.0",
    advice: str = "Light it.",
    probe: str = "host.load_per_core",
    positive: str = "the boiler is cold",
) -> str:
    return PACK.format(version=version, advice=advice, probe=probe, positive=positive)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


Typed = Callable[..., Said]


@pytest.fixture
def eve(grace: Grace, world: World) -> Typed:
    """A viewer, who may look and no more."""
    return lambda *arguments: grace("knowledge", *arguments, "--server", world.address, "--token", world.tokens["eve"])


def test_the_packs_in_force_are_listed_with_their_digests_and_one_of_them_in_full(eve: Typed) -> None:
    packs: dict[str, Any] = {one["name"]: one for one in eve("list", "--json").json["items"]}
    shown, one = eve("list"), eve("list", "--pack", "databases")

    assert {"databases", "network", "system", "cloud", "ai"} <= set(packs)
    assert packs["databases"]["digest"].startswith("sha256:")
    assert (shown.code, one.code) == (Exit.DONE, Exit.DONE)
    assert "databases" in shown.out
    assert "sqlite-busy" in one.out


def test_a_pack_that_is_not_there_is_told_with_those_that_are(eve: Typed) -> None:
    said = eve("list", "--pack", "databaes")

    assert said.code == Exit.USAGE
    assert "there is no pack 'databaes'" in said.err
    assert "databases" in said.err


def test_a_search_answers_with_sources_and_says_when_nothing_is_known(eve: Typed) -> None:
    found, nothing = eve("search", "database", "is", "locked", "--limit", "2"), eve("search", "xyzzyplugh")

    assert found.code == Exit.DONE
    assert "source" in found.out
    assert "https://" in found.out
    assert nothing.code == Exit.DONE
    assert "Nothing is known about that." in nothing.out


def test_what_ships_passes_its_own_tests(grace: Grace) -> None:
    said = grace("knowledge", "test", str(shipped_folder("knowledge")), "--json")

    assert said.code == Exit.DONE
    assert said.json["passed"] is True
    assert said.json["entries"] >= 100
    assert said.json["examples"] > said.json["entries"]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (pack(positive="the boiler is lukewarm"), 16, "does not find 'the boiler is lukewarm'"),
        (pack().replace("confidence: 0.9", "confidence: sure"), 10, "confidence"),
        (pack().replace("advice:", "advise:"), 12, "advise"),
        (pack().replace("(?:ice )?", "(?:ice "), 9, "not a regular expression"),
        (pack().replace("pack: mine", "pack: [mine"), 3, ""),
        (pack(probe="host.lod_per_core"), 1, "host.load_per_core"),
    ],
    ids=["example", "type", "key", "expression", "yaml", "probe"],
)
def test_a_broken_pack_is_told_with_file_and_line(
    grace: Grace, tmp_path: Path, text: str, line: int, told: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    said = grace("knowledge", "test", str(file))

    assert said.code == Exit.USAGE
    assert f"{file}:{line}" in said.out
    assert told in said.out


def test_a_path_that_is_not_there_is_a_mistake_of_whoever_typed_it(grace: Grace, tmp_path: Path) -> None:
    said = grace("knowledge", "test", str(tmp_path / "gone.yaml"))

    assert said.code == Exit.USAGE
    assert "there is no" in said.err


def test_the_schema_that_is_printed_is_draft_07_and_names_the_probes(grace: Grace) -> None:
    schema = grace("knowledge", "schema").json

    Draft7Validator.check_schema(schema)
    assert "sqlite.writable" in schema["definitions"]["Check"]["properties"]["probe"]["enum"]


def test_a_pack_is_added_upgraded_and_removed_and_nothing_is_written_where_nothing_changed(
    grace: Grace, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    file = folder / "mine.yaml"
    versions: list[list[str]] = []
    for text in (pack(), pack(), pack("1.1.0", "Light it again."), None):
        file.write_text(text) if text else file.unlink()
        with _started(tmp_path, folder) as (running, options):
            listed = grace("knowledge", "list", "--json", *options).json["items"]
            advice = grace("knowledge", "search", "boiler", *options).out
            versions.append([one["version"] for one in listed if one["name"] == "mine"])
            loaded = [
                KnowledgeLoaded.from_json(entry.payload or {})
                for entry in running.house.record.entries(types=(EventType.KNOWLEDGE_LOADED,))
            ]
            assert ("boiler-cold" in advice) == bool(text)
    assert versions == [["1.0.0"], ["1.0.0"], ["1.1.0"], []]
    assert len(loaded) == 3, "the second start changed nothing"
    assert [("mine" in one.packs) for one in loaded] == [True, True, False]
    assert (loaded[1].changed, loaded[2].removed) == (("mine",), ("mine",))


def test_a_start_with_a_broken_pack_is_refused_with_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.yaml").write_text(pack(positive="the boiler is lukewarm"))

    with pytest.raises(wiring.FLAWED, match=r"mine\.yaml:16"), _started(tmp_path, folder):
        pytest.fail("it started")


@contextmanager
def _started(tmp_path: Path, knowledge: Path) -> Generator[tuple[wiring.Running, tuple[str, ...]]]:
    settings = load_settings(
        data_folder=tmp_path / "data", services_file=tmp_path / "none.yaml", knowledge_folders=(knowledge,)
    )
    with wiring.open_house(settings) as running, serving(running) as address:
        token = running.house.tokens.issue("eve", Role.VIEWER, by="tests").secret
        yield running, ("--server", address, "--token", token)
