"""docs/events.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from grace.api.live import Subscribe
from grace.api.routes.events import list_events
from grace.record.mesh.delivery import DRAIN_S
from grace.record.mesh.subscription import MOST_HANGING
from grace.record.mesh.webhooks.cloudevents import CloudEvent
from grace.record.mesh.webhooks.declarations import Webhook, load_webhooks
from tests.record.mesh.receivers import SECRET
from tests.record.mesh.test_cloudevents import ENTRY, ORIGIN, event_of

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def test_the_example_of_a_file_is_one_that_is_accepted(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "webhooks.yaml").write_text(example)
    assert [hook.name for hook in load_webhooks(tmp_path / "webhooks.yaml", lambda _: SECRET)] == ["pager", "bus"]


def test_every_key_of_a_webhook_is_documented_with_its_default() -> None:
    table = PAGE.partition("| key | default |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (.*?) \|", table, re.MULTILINE)
    told = [name for names, _ in rows for name in re.findall(r"`([a-z_]+)`", names)]
    assert told == list(Webhook.model_fields)
    defaults = {
        name: default
        for names, values in rows
        for name, default in zip(re.findall(r"`([a-z_]+)`", names), re.findall(r"`(\w+)`", values), strict=False)
    }
    for name, written in defaults.items():
        example = {"name": "a", "url": "https://a.example", "events": ["*"], "secrets": ["env:A"]}
        read = Webhook.model_validate(example | {name: written if not written.isdigit() else int(written)})
        assert getattr(read, name) == Webhook.model_fields[name].default, name


def test_the_example_of_a_subscription_is_one_that_is_understood() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert Subscribe.model_validate(json.loads(example)).after == 4211


def test_every_parameter_of_the_query_is_documented() -> None:
    table = PAGE.partition("| parameter | meaning |")[2].partition("\n\n")[0]
    told = {name for row in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    own = {name.rstrip("_") for name in list_events.__annotations__} - {"_viewer", "house", "wanted", "return"}
    assert told == own | {"limit", "cursor"}


def test_every_attribute_of_an_event_is_documented() -> None:
    table = PAGE.partition("| attribute | value |")[2].partition("\n\n")[0]
    told = {name for row in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    erased: CloudEvent = event_of(ENTRY.model_copy(update={"payload": None}), ORIGIN)
    sent = set(event_of(ENTRY, ORIGIN).attributes) | set(erased.attributes)
    assert told == sent - {"specversion", "datacontenttype"}


@pytest.mark.parametrize(("words", "number"), [("lost eight threads", MOST_HANGING), ("waits ten seconds", DRAIN_S)])
def test_the_numbers_are_those_of_the_code(words: str, number: float) -> None:
    assert words in PAGE
    assert {"eight": 8, "ten": 10.0}[words.split()[1]] == number
