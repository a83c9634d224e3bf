"""Lists in pages: `limit` and `continue`, with every page cut from the state that the first one saw."""

import base64
import binascii
import json
from collections.abc import Mapping

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json, Kind
from receiver.sandbox.kubernetes.selector import Selector
from receiver.sandbox.kubernetes.storage import Storage


def cut(storage: Storage, kind: Kind, namespace: str, selector: Selector, query: Mapping[str, str]) -> Json:
    """Return the body of a list, or of the page of it that *query* asks for.

    Raises:
        Refusal: 400; limit or continue are malformed. 410; the page belongs to a state that is no longer known.
    """
    limit = _limit(query.get("limit", ""))
    revision, start = _start(query.get("continue", ""))
    revision, found = storage.snapshot(kind, namespace, revision)
    rest = [one for one in found if selector.picks(one) and (start is None or _place(one) > start)]
    items = rest[:limit] if limit else rest
    metadata: Json = {"resourceVersion": str(revision)}
    if len(rest) > len(items):
        metadata["continue"] = _token(revision, _place(items[-1]))
        if not selector.tests:
            metadata["remainingItemCount"] = len(rest) - len(items)
    return {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": metadata, "items": items}


def bare(listed: Json) -> Json:
    """Return a list with the metadata of its objects only: the answer to who accepts a `PartialObjectMetadataList`."""
    over = {"apiVersion": "meta.k8s.io/v1"}
    items = [over | {"kind": "PartialObjectMetadata", "metadata": one["metadata"]} for one in listed["items"]]
    return over | {"kind": "PartialObjectMetadataList", "metadata": listed["metadata"], "items": items}


def _limit(text: str) -> int:
    if text and not text.isdecimal():
        raise refusal.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text or 0)


def _place(found: Json) -> list[str]:
    return [found["metadata"].get("namespace", ""), found["metadata"]["name"]]


def _token(revision: int, place: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps({"rv": revision, "start": place}).encode()).decode()


def _start(token: str) -> tuple[int | None, list[str] | None]:
    if not token:
        return None, None
    try:
        said = json.loads(base64.urlsafe_b64decode(token))
        return int(said["rv"]), list(said["start"])
    except (binascii.Error, ValueError, KeyError, TypeError) as wrong:
        raise refusal.bad_request(f"continue key is not valid: {wrong}") from wrong
