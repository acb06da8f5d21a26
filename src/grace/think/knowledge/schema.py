"""The JSON Schema (draft-07) of knowledge packs, for editors. `grace knowledge test` says more: it holds examples."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from pydantic import JsonValue

from grace.kit.json_schema import DRAFT, as_draft_07
from grace.think.knowledge.format import KnowledgePack


def knowledge_schema(probes: Collection[str] = ()) -> dict[str, JsonValue]:
    """Return the schema; with the names of probes it also tells which a check may ask."""
    schema = cast("dict[str, JsonValue]", as_draft_07(cast("JsonValue", KnowledgePack.model_json_schema())))
    definitions = cast("dict[str, dict[str, JsonValue]]", schema["definitions"])
    definitions["Condition"]["minProperties"] = 1
    definitions["Answer"] |= {"minProperties": 1, "maxProperties": 1}
    definitions["Check"]["anyOf"] = [{"required": ["confirms"]}, {"required": ["refutes"]}]
    definitions["Signature"]["anyOf"] = [{"required": ["all"]}, {"required": ["any"]}]
    schema["anyOf"] = [{"required": ["rules"]}, {"required": ["heard"]}]
    if probes:
        properties = cast("dict[str, JsonValue]", definitions["Check"]["properties"])
        properties["probe"] = {"enum": [*sorted(probes)]}
    return {"$schema": DRAFT, "$id": "grace-knowledge-1.json", **schema, "title": "GRACE knowledge pack"}
