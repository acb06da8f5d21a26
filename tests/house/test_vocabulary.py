"""docs/vocabulary.md and src/grace/model say the same words."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from enum import StrEnum
from pathlib import Path

import pytest

import grace.model
from grace.model.events import PAYLOADS

PAGE = (Path(__file__).parents[2] / "docs" / "vocabulary.md").read_text()


def classes() -> list[type]:
    names = [one.name for one in pkgutil.iter_modules(grace.model.__path__)]
    modules = [importlib.import_module(f"grace.model.{name}") for name in names]
    found = [one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)]
    return sorted({one for one in found if one.__module__.startswith("grace.model.")}, key=lambda one: one.__name__)


@pytest.mark.parametrize("noun", classes(), ids=lambda one: one.__name__)
def test_every_word_of_the_model_is_in_the_vocabulary(noun: type) -> None:
    assert f"`{noun.__name__}`" in PAGE


@pytest.mark.parametrize("words", [one for one in classes() if issubclass(one, StrEnum)], ids=lambda one: one.__name__)
def test_every_word_of_a_closed_set_is_in_the_vocabulary(words: type[StrEnum]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in PAGE] == []


def test_every_noun_of_the_vocabulary_is_in_the_model() -> None:
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", PAGE))

    assert named - {one.__name__ for one in classes()} == set()


def test_the_table_of_events_is_the_registry() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| .+ \| `([A-Za-z]+)` \|$", PAGE, re.MULTILINE)

    assert dict(rows) == {kind.value: noun.__name__ for kind, noun in PAYLOADS.items()}
