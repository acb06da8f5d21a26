"""What docs/writing-a-playbook.md and docs/services.md show can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grace import wiring
from grace.authoring.purity import MODULES
from grace.kit.documents import Document
from grace.kit.yaml import read_yaml
from grace.model.catalogue import Catalogue
from grace.model.service import Service
from grace.sense.declarations import read_services
from grace.settings import load_settings
from grace.think.playbooks.filters import FILTERS
from grace.think.playbooks.lint import lint_document
from grace.think.playbooks.loading import LoadedPlaybook, load_playbook
from grace.think.playbooks.python.source import READS
from grace.think.playbooks.refusing import Rule
from grace.think.playbooks.rehearsing import run_playbook_tests

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "writing-a-playbook.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PLAYBOOKS = [one for one in EXAMPLES if "\ndo:\n" in one]
(PYTHON,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PYTHON_CASES = """\
format: 1
playbook: lower.py
service:
  name: orders
  labels: {config: /srv/orders/conf/app.yaml, shards: "us,eu"}
  indicators: {error_rate: {probe: http.latency_ms, with: {url: "http://127.0.0.1:8001/"}}}
  targets: [{kind: file, id: /srv/orders/conf/}]
cases:
  - name: halves each
    cause: resource_exhausted
    finds: {pool: 9}
    expect:
      steps:
        - {id: lower_eu, uses: file.set_value, with: {key: shards.eu.pool, value: 4}}
        - {id: lower_us, uses: file.set_value, with: {key: shards.us.pool, value: 4}}
      reversibility: exact
  - name: leaves a small one
    cause: resource_exhausted
    finds: {pool: 2}
    expect: {refused: nothing-to-do}
  - name: says what it was not told
    cause: resource_exhausted
    finds: {pool: many}
    expect: {refused: draft-raised}
"""
CASES = [one for one in EXAMPLES if "\ncases:\n" in one]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return wiring.catalogue(load_settings())


@pytest.mark.parametrize("text", PLAYBOOKS, ids=range(len(PLAYBOOKS)))
def test_a_playbook_of_the_page_is_without_flaw(text: str, catalogue: Catalogue) -> None:
    document = read_yaml(text, "docs/writing-a-playbook.md")

    assert isinstance(document, Document)
    outcome = lint_document(document, catalogue, wiring.known_causes(load_settings()))
    assert not isinstance(outcome, tuple), "\n".join(map(str, outcome))


def test_the_cases_of_the_page_come_out_as_it_says(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "sqlite-release-stuck-writer.yaml").write_text(PLAYBOOKS[0])
    (tmp_path / "a.test.yaml").write_text(CASES[0])
    report = run_playbook_tests([tmp_path], catalogue)

    assert report.is_passed, report


def test_the_python_of_the_page_is_without_flaw_and_lowers_what_it_says(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "lower.py").write_text(PYTHON)
    (tmp_path / "lower.test.yaml").write_text(PYTHON_CASES)
    report = run_playbook_tests([tmp_path], catalogue)

    assert report.is_passed, report
    outcome = load_playbook(tmp_path / "lower.py", catalogue, wiring.known_causes(load_settings()))
    assert isinstance(outcome, LoadedPlaybook), "\n".join(map(str, outcome))


def test_what_python_may_import_is_on_the_page() -> None:
    assert [module for module in MODULES if f"`{module}`" not in PAGE] == []
    assert [name for name in READS if f"`{name}`" not in PAGE] == []


def test_every_filter_and_every_refusal_is_on_the_page() -> None:
    assert [name for name in FILTERS if not re.search(rf"^\| `{name}[`(]", PAGE, re.MULTILINE)] == []
    assert [rule.value for rule in Rule if f"`{rule.value}`" not in PAGE] == []


def test_the_services_of_the_page_are_without_flaw_and_every_key_is_on_it(catalogue: Catalogue) -> None:
    page = (DOCS / "services.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    assert read_services(text, "docs/services.md", Path("/etc/grace"), catalogue).flaws == ()
    assert [name for name in Service.model_fields if f"| `{name}` |" not in page] == []
