"""What every noun has in common: frozen, complete, and the same JSON everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, JsonValue

if TYPE_CHECKING:
    from collections.abc import Mapping

WITH = AliasChoices("with", "parameters")
"""What a playbook calls `with` is called parameters in Python, where `with` is a keyword; JSON says `with`."""


class Noun(BaseModel):
    """A frozen value that refuses unknown fields and writes itself as JSON under its public names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, arbitrary_types_allowed=False
    )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the value as plain JSON; `from_json` of the result equals the value."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, JsonValue]) -> Self:
        """Read back what `to_json` wrote; raise `pydantic.ValidationError` for anything else."""
        return cls.model_validate(document)
