"""Objects that fight back when anyone looks at them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Never, cast


class Hostile(Exception):
    """Every way to look at it raises."""

    def _refuse(self, *_: object) -> Never:
        message = "hands off"
        raise RuntimeError(message)

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __format__ = _refuse  # type: ignore[assignment]
    __getattr__ = __setattr__ = __getitem__ = _refuse  # type: ignore[assignment]
    __cause__ = property(_refuse)  # type: ignore[assignment]


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        return 1

    def __len__(self) -> int:
        raise RuntimeError


class HostileMapping(dict[str, object]):
    def items(self) -> Never:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __getitem__(self, key: str) -> Never:
        raise RuntimeError


class NamelessMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in {"__qualname__", "__module__", "__name__"}:
            raise RuntimeError
        return super().__getattribute__(name)


class Nameless(metaclass=NamelessMeta):
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError


class Shade(enum.Enum):
    RED = HostileText("red")


MAKERS: dict[str, Callable[[], Any]] = {
    "exception": Hostile,
    "text": lambda: HostileText("x"),
    "mapping": lambda: HostileMapping(a=1),
    "class": Nameless,
    "member": lambda: Shade.RED,
}


@dataclass(frozen=True)
class Recipe:
    """Names a hostile object, so that a test's own machinery never touches one."""

    kind: str


def build(value: Any) -> Any:
    """Put the hostile objects where their recipes are."""
    if isinstance(value, Recipe):
        return MAKERS[value.kind]()
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return type(items)(build(item) for item in items)
    if isinstance(value, dict):
        return {name: build(item) for name, item in cast("dict[Any, Any]", value).items()}
    return value
