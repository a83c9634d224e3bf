"""What Slack and PagerDuty publish about the requests that they take, as JSON Schema.

`tests/data/requests/schemas.json` has the bodies of `chat.postMessage` and `chat.update` out of Slack's description in
OpenAPI, and those of PagerDuty's Events API v2 out of its own, each with the limits that its pages add, and without
their prose.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

_FILE: Final = Path(__file__).parents[2] / "data/requests/schemas.json"


def complaints(request: str, body: Mapping[str, Any]) -> list[str]:
    """Say what a published schema has against the body of a request, such as `chat.postMessage` or `enqueue`."""
    return [f"{error.json_path}: {error.message[:200]}" for error in _judge(request).iter_errors(body)]


@cache
def _judge(request: str) -> Draft202012Validator:
    schemas = json.loads(_FILE.read_bytes())
    return Draft202012Validator({**schemas[request], "components": schemas["components"]})
