"""The playbook language as JSON Schema, for editors and for the documentation, with every action that is known."""

from typing import Any

import msgspec

from receiver.model.duration import Duration
from receiver.model.matcher import Matcher
from receiver.remediate.actions import known
from receiver.remediate.expression import Expression
from receiver.remediate.language import NAME, PlaybookName, Written
from receiver.remediate.limits import SCHEMAS


def json_schema() -> dict[str, Any]:
    """Describe the language as JSON Schema 2020-12.

    Raises:
        PlaybookError: An action of another package cannot be used.
    """
    actions = known()
    kinds = [Written, *(action.params for action in actions.values())]
    (root, *params), components = msgspec.json.schema_components(
        kinds, schema_hook=_schema_of, ref_template="#/$defs/{name}"
    )
    written = components[Written.__name__]
    written["properties"]["steps"]["items"] = {"$ref": "#/$defs/Step"}
    components["Step"] = {
        "type": "object",
        "description": "One step: exactly one verb with its parameters.",
        "properties": dict(zip(actions, params, strict=True)),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": components}


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is PlaybookName:
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}
    if kind in SCHEMAS:
        return dict(SCHEMAS[kind])
    if kind is Duration:
        return {"type": "string", "description": "A duration such as 30s, 5m, 1h30m or 7d."}
    if kind is Matcher:
        return {"type": "string", "description": 'A matcher such as severity="critical".'}
    if kind is Expression:
        return {"type": "string", "description": "A condition in CEL."}
    raise TypeError(f"{kind.__name__} has no JSON Schema")
