from __future__ import annotations

from pathlib import Path

import pytest

from grace.kit.clock import SystemClock
from grace.kit.parsing import validate
from grace.model.catalogue import Catalogue
from grace.model.cause import CAUSES
from grace.sense.collectors.eyes import Eyes, found_collectors
from grace.sense.collectors.viewpoint import Viewpoint
from grace.think.knowledge.checked import FILE, CheckedPacks
from grace.think.knowledge.format import KnowledgePack, KnowledgeRule, Source
from grace.think.knowledge.loading import knowledge_files, load_knowledge, read_pack
from grace.think.knowledge.matching import match, scene_of_sample
from grace.think.knowledge.wording import LONGEST_TEXT
from grace.think.playbooks.loading import load_playbooks
from tests.think.worlds import SHIPPED

KNOWLEDGE = load_knowledge([SHIPPED / "knowledge"])
with Eyes(found_collectors(Viewpoint(SystemClock()))) as eyes:
    PROBES = eyes.specs
AIMED_BY_WORDS = "[{probe: http.ok, with: {url: '{said.url}'}, confirms: {is: true}, tells: whether it answers}]"
PACK = """\
format: 1
pack: test
version: 1.0.0
summary: For a test
rules:
  - id: full
    cause: resource_exhausted
    title: A disk is full
    signature: {any: [{text: '\\bno space left\\b'}]}
    confidence: 0.9
    source: "POSIX.1-2017, <errno.h>, ENOSPC"
    examples: {positive: [no space left on device], negative: [there is space left]}
"""


def flaws_of(folder: Path, text: str) -> list[str]:
    (folder / "pack.yaml").write_text(text)
    return [f"{one.line}: {one.rule}: {one.message}" for one in load_knowledge([folder]).flaws]


def test_what_ships_is_without_flaw_and_finds_every_class_of_the_catalogue() -> None:
    assert KNOWLEDGE.flaws == ()
    assert set(CAUSES) <= KNOWLEDGE.causes


@pytest.mark.parametrize("pack", ["databases", "network", "system", "cloud", "ai"])
def test_each_of_the_five_packs_has_twenty_whole_entries(pack: str) -> None:
    read = read_pack(SHIPPED / "knowledge" / f"{pack}.yaml")

    assert isinstance(read, KnowledgePack)
    assert len(read.rules) >= 20
    for rule in read.rules:
        whole = rule.advice and rule.checks and rule.versions != "any" and isinstance(rule.source, Source)
        assert whole, f"{rule.id} lacks advice, checks, versions or an address"
        assert len(rule.examples.positive) >= 2, rule.id
        assert len(rule.examples.negative) >= 2, rule.id


@pytest.mark.parametrize("rule", KNOWLEDGE.rules, ids=lambda rule: rule.id)
def test_a_rule_finds_its_examples_and_leaves_the_others_alone(rule: KnowledgeRule) -> None:
    for sample in rule.examples.positive:
        assert match(rule, scene_of_sample(sample)), sample
    for sample in rule.examples.negative:
        assert match(rule, scene_of_sample(sample)) is None, sample


@pytest.mark.parametrize("rule", KNOWLEDGE.rules, ids=lambda rule: rule.id)
def test_every_check_is_a_probe_that_exists_and_takes_what_it_is_given(rule: KnowledgeRule) -> None:
    for check in rule.looks:
        values = {name: "8080" if "port" in name or name == "listens_on" else "/srv/x" for name in check.references}
        values = {name: "http://127.0.0.1/" if "url" in name else value for name, value in values.items()}
        aimed = check.aimed(values)

        assert aimed is not None
        validate(PROBES[check.probe].parameters, aimed)


def test_every_playbook_that_knowledge_names_ships() -> None:
    shipped = {path.name.removesuffix(".yaml") for path in (SHIPPED / "playbooks").glob("*.yaml")}

    assert {name for rule in KNOWLEDGE.rules for name in rule.playbooks} <= shipped


def test_every_playbook_that_ships_heals_a_cause_that_knowledge_finds() -> None:
    library = load_playbooks([SHIPPED / "playbooks"], Catalogue({}, {}), KNOWLEDGE.causes)

    assert [flaw for flaw in library.flaws if flaw.rule == "unknown-cause"] == []


def test_what_was_checked_once_is_the_same_the_next_time(tmp_path: Path) -> None:
    first = CheckedPacks.within(tmp_path)
    read = load_knowledge([SHIPPED / "knowledge"], first)
    first.save()

    again = load_knowledge([SHIPPED / "knowledge"], CheckedPacks.within(tmp_path))
    packs = [path.read_bytes() for path in knowledge_files([SHIPPED / "knowledge"])]

    assert again == read == KNOWLEDGE
    assert all(CheckedPacks.within(tmp_path).pack(content) is not None for content in packs)


def test_a_file_that_was_changed_is_read_and_not_taken_from_what_was_checked(tmp_path: Path) -> None:
    path = tmp_path / "pack.yaml"
    path.write_text(PACK)
    checked = CheckedPacks.within(tmp_path)
    before = load_knowledge([tmp_path], checked)
    checked.save()
    path.write_text(PACK.replace("A disk is full", "There is no room"))

    assert [rule.title for rule in before.rules] == ["A disk is full"]
    assert [rule.title for rule in load_knowledge([tmp_path], CheckedPacks.within(tmp_path)).rules] == [
        "There is no room"
    ]


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"x": 1}', "\0", "null"])
def test_what_was_checked_and_is_damaged_is_read_again(tmp_path: Path, damaged: str) -> None:
    (tmp_path / FILE).write_text(damaged)
    checked = CheckedPacks.within(tmp_path)

    assert load_knowledge([SHIPPED / "knowledge"], checked) == KNOWLEDGE
    checked.save()
    assert load_knowledge([SHIPPED / "knowledge"], CheckedPacks.within(tmp_path)) == KNOWLEDGE


def test_a_flawed_file_is_never_kept_as_checked(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(PACK.replace("confidence: ", "confidence: 7"))
    checked = CheckedPacks.within(tmp_path)

    assert load_knowledge([tmp_path], checked).flaws
    checked.save()
    assert load_knowledge([tmp_path], CheckedPacks.within(tmp_path)).flaws


def test_a_pack_that_is_taken_away_is_no_longer_known(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(PACK)
    before = load_knowledge([tmp_path])
    (tmp_path / "pack.yaml").unlink()
    after = load_knowledge([tmp_path])

    assert [rule.id for rule in before.rules] == ["full"]
    assert after.rules == ()
    assert after.digest != before.digest


@pytest.mark.parametrize(
    "filler", ["a ", "lock ", "could not lock ", "connection ", "invalid token ", "x.", "=", "\n", "timeout due to "]
)
@pytest.mark.timeout(60)
def test_no_rule_takes_long_over_a_hostile_text(filler: str) -> None:
    scene = scene_of_sample((filler * LONGEST_TEXT)[: 2 * LONGEST_TEXT])

    for rule in KNOWLEDGE.rules:
        match(rule, scene)


def test_every_rule_names_a_published_source() -> None:
    assert all(isinstance(rule.source, Source) and len(rule.citation) > 40 for rule in KNOWLEDGE.rules)


def test_the_digest_follows_the_content_and_not_the_comments(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(PACK)
    first = load_knowledge([tmp_path]).digest
    (tmp_path / "pack.yaml").write_text("# a comment\n" + PACK)
    same = load_knowledge([tmp_path]).digest
    (tmp_path / "pack.yaml").write_text(PACK.replace("0.9", "0.8"))

    assert first == same
    assert first != load_knowledge([tmp_path]).digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("negative: [there is space left]", "negative: [no space left here]", "wrongly finds"),
        ("positive: [no space left on device]", "positive: [it is full]", "does not find"),
        ("\\bno space left\\b", "no (space", "not a regular expression"),
        ("\\bno space left\\b", "(no space left)?", "every text"),
        ("cause: resource_exhausted", "cause: unknown", "unknown"),
        ("{any: [{text: '\\bno space left\\b'}]}", "{none: [{text: x}]}", "all"),
        ("{any: [{text: '\\bno space left\\b'}]}", "{any: [{}]}", "at least one of"),
        ("confidence: 0.9", "confidence: 1.0", "less than 1"),
        ("confidence: 0.9", "confidnce: 0.9", "confidnce"),
        ("format: 1", "format: 1\nformat: 1", "twice"),
        ("confidence: 0.9", "confidence: 0.9\n    source_of: x", "unknown key"),
        (
            "confidence: 0.9",
            f"confidence: 0.9\n    checks: {AIMED_BY_WORDS}",
            "must not be aimed by the words",
        ),
        (
            "confidence: 0.9",
            "confidence: 0.9\n    checks: [{probe: http.ok, with: {url: 'http://a'}, tells: whether it answers}]",
            "confirms or one that refutes",
        ),
    ],
)
def test_a_broken_file_gives_no_rules_and_tells_why(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in PACK
    said = flaws_of(tmp_path, PACK.replace(old, new, 1))

    assert any(told in one for one in said), said
    assert load_knowledge([tmp_path]).rules == ()


def test_a_rule_stands_once(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(PACK)

    assert "also in another file" in flaws_of(tmp_path, PACK)[0]
