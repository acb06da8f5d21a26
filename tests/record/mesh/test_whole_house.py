"""A whole server with a webhook: declared in a file, told of what happens, and asked to mend a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from grace.api.roles import Role
from grace.record.mesh.webhooks.declarations import WebhooksFlawedError
from grace.settings import load_settings
from grace.wiring import FLAWED, open_house
from tests.record.mesh.receivers import SECRET, read_event, receiving, verify
from tests.record.mesh.test_patience import comes

pytestmark = pytest.mark.slow
DECLARED = """\
format: 1
webhooks:
  - name: pager
    url: {url}
    network: private
    events: [server.started, token.issued]
    secrets: [file:{secret}]
"""


def test_what_happens_in_a_house_is_told_to_its_webhooks(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    file = tmp_path / "webhooks.yaml"
    settings = load_settings(data_folder=tmp_path / "data", services_file=tmp_path / "none.yaml", webhooks_file=file)
    with receiving() as receiver:
        file.write_text(DECLARED.format(url=receiver.url, secret=secret))
        with open_house(settings) as running:
            issued = running.house.tokens.issue("ann", Role.VIEWER, by="tests")
            assert comes(lambda: len(receiver.got) >= 1)
        with open_house(settings):
            assert comes(lambda: len(receiver.got) >= 2)
        events = [read_event(got.headers, got.body) for got in receiver.got]
        assert [event.attributes["type"] for event in events] == [
            "dev.grace.token.issued",
            "dev.grace.server.started",
        ]
        assert all(verify(got) for got in receiver.got)
        assert not any(issued.secret.encode() in got.body for got in receiver.got)
    file.write_text(DECLARED.format(url="http://127.0.0.1:1/", secret=tmp_path / "gone"))
    with pytest.raises(WebhooksFlawedError, match=r"webhooks\.yaml:7") as refused:
        open_house(settings)
    assert isinstance(refused.value, FLAWED)
