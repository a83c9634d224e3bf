"""From the JSON of the Kubernetes API to nouns.

Status and annotations are written by whoever may patch a workflow, so nothing in them is taken for granted: what is not
of the expected type counts as absent.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from receiver.clients.kubernetes.rerun import FROM_UID, OPERATION, RESUBMITTED_FROM, TERMINATED_BY
from receiver.model.errors import ClusterError
from receiver.model.workflow import PROGRESS_ANNOTATION, Container, Node, Phase, Pod, WarningEvent, Workflow

Raw = Mapping[str, Any]

NODE_ID = "workflows.argoproj.io/node-id"

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LARGEST_TREE = 64 * 1024 * 1024
"""Bytes. Argo packs what is over 1 MiB; a tree that unpacks to more than this is not one."""


class NodesUnreadable(ClusterError):
    """The steps of a workflow are stored in a form that cannot be read here."""


def workflow(raw: Raw) -> Workflow:
    """Read a Workflow."""
    metadata, spec, status = _part(raw, "metadata"), _part(raw, "spec"), _part(raw, "status")
    labels, annotations = _texts(metadata, "labels"), _texts(metadata, "annotations")
    nodes: tuple[Node, ...] | None
    try:
        nodes, unreadable = tuple(_nodes(status)), ""
    except NodesUnreadable as why:
        nodes, unreadable = None, str(why)
    return Workflow(
        namespace=_text(metadata, "namespace"),
        name=_text(metadata, "name"),
        uid=_text(metadata, "uid"),
        resource_version=_text(metadata, "resourceVersion"),
        phase=_phase(status),
        message=_text(status, "message"),
        created_at=moment(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        started_at=moment(status.get("startedAt")),
        finished_at=moment(status.get("finishedAt")),
        progress=_text(status, "progress") or None,
        labels=labels,
        annotations=annotations,
        suspended=spec.get("suspend") is True or any(_waits_for_a_person(node) for node in nodes or ()),
        shutdown=_text(spec, "shutdown"),
        nodes=nodes,
        nodes_unreadable=unreadable,
        resubmitted_from=labels.get(RESUBMITTED_FROM),
        resubmitted_from_uid=annotations.get(FROM_UID),
        operation=annotations.get(OPERATION, ""),
        terminated_by=annotations.get(TERMINATED_BY, ""),
        progress_at=moment(annotations.get(PROGRESS_ANNOTATION)),
        deleting="deletionTimestamp" in metadata,
    )


def pod(raw: Raw) -> Pod:
    """Read a Pod."""
    metadata, status = _part(raw, "metadata"), _part(raw, "status")
    annotations = _texts(metadata, "annotations")
    return Pod(
        namespace=_text(metadata, "namespace"),
        name=_text(metadata, "name"),
        uid=_text(metadata, "uid"),
        node_id=annotations.get(NODE_ID, ""),
        phase=_text(status, "phase"),
        message=_text(status, "message"),
        containers=tuple(
            _container(one) for key in ("initContainerStatuses", "containerStatuses") for one in status.get(key) or ()
        ),
        node_name=_text(_part(raw, "spec"), "nodeName"),
        created_at=moment(metadata.get("creationTimestamp")),
        progress_at=moment(annotations.get(PROGRESS_ANNOTATION)),
        deleting="deletionTimestamp" in metadata,
    )


def warning(raw: Raw) -> WarningEvent:
    """Read an Event; both of Kubernetes' ways to count are understood."""
    concerned, series = _part(raw, "involvedObject"), _part(raw, "series")
    times = (
        series.get("lastObservedTime"),
        raw.get("lastTimestamp"),
        raw.get("eventTime"),
        raw.get("firstTimestamp"),
        _part(raw, "metadata").get("creationTimestamp"),
    )
    return WarningEvent(
        reason=_text(raw, "reason"),
        message=_text(raw, "message"),
        count=int(series.get("count") or raw.get("count") or 1),
        last_at=next((at for at in map(moment, times) if at is not None), None),
        object=f"{_text(concerned, 'kind')}/{_text(concerned, 'name')}",
    )


def moment(said: object) -> datetime | None:
    """Read an RFC 3339 time; None for whatever is not one."""
    if not isinstance(said, str):
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _waits_for_a_person(node: Node) -> bool:
    return node.type == "Suspend" and node.phase is Phase.RUNNING


def _nodes(status: Raw) -> Iterator[Node]:
    if status.get("compressedNodes"):
        tree = _unpacked(_text(status, "compressedNodes"))
    elif status.get("offloadNodeStatusVersion") and not status.get("nodes"):
        raise NodesUnreadable("Argo keeps the steps of this workflow in its database; only Argo Server can read them")
    else:
        tree = status.get("nodes") or {}
    if not isinstance(tree, dict) or not all(isinstance(node, dict) for node in tree.values()):
        raise NodesUnreadable("the steps of this workflow are not what Argo writes")
    return (_node(key, node) for key, node in tree.items())


def _unpacked(text: str) -> Any:
    """Undo Argo's compression of a node tree: base64 of gzip, zstd or brotli, told apart by their first bytes."""
    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error as garbled:
        raise NodesUnreadable("the compressed steps of this workflow are damaged") from garbled
    if not packed.startswith(_GZIP):
        method = "zstd" if packed.startswith(_ZSTD) else "brotli"
        raise NodesUnreadable(f"Argo compressed the steps of this workflow with {method}, which cannot be read here")
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        tree = unzip.decompress(packed, _LARGEST_TREE)
        nodes = json.loads(tree) if unzip.eof else None
    except (zlib.error, ValueError) as garbled:
        raise NodesUnreadable("the compressed steps of this workflow are damaged") from garbled
    if nodes is None:
        raise NodesUnreadable("the compressed steps of this workflow are cut off or too large")
    return nodes


def _node(key: str, raw: Raw) -> Node:
    return Node(
        id=_text(raw, "id") or key,
        name=_text(raw, "name"),
        display_name=_text(raw, "displayName") or _text(raw, "name"),
        type=_text(raw, "type"),
        phase=_phase(raw),
        template=_text(raw, "templateName"),
        message=_text(raw, "message"),
        started_at=moment(raw.get("startedAt")),
        finished_at=moment(raw.get("finishedAt")),
    )


def _container(raw: Raw) -> Container:
    state, last = _part(raw, "state"), _part(raw, "lastState")
    ended, ended_before = _part(state, "terminated"), _part(last, "terminated")
    return Container(
        name=_text(raw, "name"),
        restarts=int(raw.get("restartCount") or 0),
        waiting=_text(_part(state, "waiting"), "reason"),
        last_termination=_text(ended, "reason") or _text(ended_before, "reason"),
        started_at=moment(_part(state, "running").get("startedAt")) or moment(ended.get("startedAt")),
    )


def _phase(raw: Raw) -> Phase:
    try:
        return Phase(_text(raw, "phase"))
    except ValueError:
        return Phase.UNKNOWN


def _part(raw: Raw, key: str) -> Raw:
    part = raw.get(key)
    return part if isinstance(part, dict) else {}


def _text(raw: Raw, key: str) -> str:
    text = raw.get(key)
    return text if isinstance(text, str) else ""


def _texts(raw: Raw, key: str) -> dict[str, str]:
    return {name: text for name, text in _part(raw, key).items() if isinstance(text, str)}
