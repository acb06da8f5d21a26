"""Models are built when they are first used; that each can be built is not left to that moment."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from pydantic import BaseModel

import grace


def _import_all() -> None:
    for one in pkgutil.walk_packages(grace.__path__, "grace."):
        if not one.name.endswith("__main__") and ".migrations." not in one.name:
            importlib.import_module(one.name)


def _below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _models() -> list[type[BaseModel]]:
    _import_all()
    found = {one for one in _below(BaseModel) if one.__module__.startswith("grace.") and "[" not in one.__name__}
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def test_every_model_can_be_built() -> None:
    broken: dict[str, str] = {}
    for model in _models():
        try:
            model.model_rebuild()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with the name
            broken[f"{model.__module__}.{model.__qualname__}"] = str(error)
    assert broken == {}
