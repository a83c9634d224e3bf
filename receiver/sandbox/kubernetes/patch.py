"""Merge patches (RFC 7396) and JSON patches (RFC 6902). Neither changes what it is given."""

import copy
from typing import Any

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json

_UNPROCESSABLE = "the server rejected our request due to an error in our request"


def merge(target: Any, patch: Any) -> Any:
    """Return *target* changed by a merge patch; null removes a field, a list replaces a list."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def apply(target: Json, operations: list[Json]) -> Json:
    """Return *target* changed by a JSON patch.

    Raises:
        Refusal: 422; a `test` failed, or an operation does not fit the object. 400; an operation is not one.
    """
    document: Any = copy.deepcopy(target)
    for operation in operations:
        try:
            document = _step(document, operation)
        except (KeyError, IndexError, TypeError, ValueError) as wrong:
            raise refusal.unprocessable(_UNPROCESSABLE) from wrong
    if not isinstance(document, dict):
        raise refusal.unprocessable(_UNPROCESSABLE)
    return document


def _step(document: Any, operation: Json) -> Any:
    path = _tokens(operation["path"])
    match operation["op"]:
        case "test":
            if _get(document, path) != operation["value"]:
                raise ValueError(operation["path"])
            return document
        case "add":
            return _add(document, path, operation["value"])
        case "replace":
            _get(document, path)
            return _add(_remove(document, path), path, operation["value"])
        case "remove":
            return _remove(document, path)
        case "move":
            source = _tokens(operation["from"])
            value = _get(document, source)
            return _add(_remove(document, source), path, value)
        case "copy":
            return _add(document, path, copy.deepcopy(_get(document, _tokens(operation["from"]))))
    raise refusal.bad_request(f"Unexpected kind: {operation['op']}")


def _tokens(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    for token in path:
        document = document[int(token) if isinstance(document, list) else token]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        place = len(parent) if last == "-" else int(last)
        if not 0 <= place <= len(parent):
            raise IndexError(last)
        parent.insert(place, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent, last = _get(document, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return document
