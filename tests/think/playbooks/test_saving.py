from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grace.kit.documents import Document
from grace.kit.yaml import read_yaml
from grace.think.playbooks.saving import as_yaml

LARGEST = 2**53 - 1
"""The largest number that a playbook keeps exactly."""
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(-1e9, 1e9) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abz_- :#'\"", min_size=1, max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["format", "on", "with", "${{ x }}", "0644"]), VALUES, min_size=1))
def test_what_is_written_as_yaml_is_read_back_as_it_was(value: dict[str, JsonValue]) -> None:
    read = read_yaml(as_yaml(value), "saved.yaml")

    assert isinstance(read, Document), read
    assert read.value == value
