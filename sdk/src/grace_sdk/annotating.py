"""Annotating: what of `typing` runs when the SDK is imported; `typing` itself takes longer than the rest of the SDK."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple, cast
else:

    class _FromAnnotations(type):
        """Makes a tuple with named fields of the annotations of a class body."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024
            for key, member in body.items():
                if key not in ("__module__", "__qualname__"):
                    setattr(made, key, member)
            made.__qualname__ = body["__qualname__"]
            return made

    class NamedTuple(metaclass=_FromAnnotations):
        """As `typing.NamedTuple`."""

    def cast(_kind: object, value: object) -> object:
        """As `typing.cast`."""
        return value


__all__ = ["NamedTuple", "cast"]
