"""From the JSON of the Kubernetes API to nouns.

Status and annotations are written by whoever may patch a workflow, so nothing in them is taken for granted: what is not
of the expected type counts as absent.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.clients.kubernetes import marks
from receiver.clients.kubernetes.packed import unpack
from receiver.model.errors import NodesUnreadable
from receiver.model.workflow import PROGRESS_ANNOTATION, Container, Node, Phase, Pod, WarningEvent, Workflow

Raw = Mapping[str, Any]

NODE_ID = "workflows.argoproj.io/node-id"


def workflow(raw: Raw) -> Workflow:
    """Read a Workflow."""
    metadata, spec, status = part(raw, "metadata"), part(raw, "spec"), part(raw, "status")
    labels, annotations = texts(metadata, "labels"), texts(metadata, "annotations")
    parameters = _parameters(spec)
    nodes: tuple[Node, ...] | None
    try:
        nodes, unreadable = tuple(_nodes(status)), ""
    except NodesUnreadable as why:
        nodes, unreadable = None, str(why)
    return Workflow(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        resource_version=text(metadata, "resourceVersion"),
        phase=_phase(status),
        message=text(status, "message"),
        created_at=moment(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        started_at=moment(status.get("startedAt")),
        finished_at=moment(status.get("finishedAt")),
        progress=text(status, "progress") or None,
        labels=labels,
        annotations=annotations,
        suspended=spec.get("suspend") is True or any(_waits_for_a_person(node) for node in nodes or ()),
        shutdown=text(spec, "shutdown"),
        nodes=nodes,
        nodes_unreadable=unreadable,
        resubmitted_from=labels.get(marks.RESUBMITTED_FROM),
        resubmitted_from_uid=annotations.get(marks.FROM_UID) or parameters.get(marks.FROM_UID_PARAMETER),
        operation=annotations.get(marks.OPERATION) or parameters.get(marks.OPERATION_PARAMETER, ""),
        terminated_by=annotations.get(marks.TERMINATED_BY, ""),
        stopped_by=annotations.get(marks.STOPPED_BY, ""),
        suspended_by=annotations.get(marks.SUSPENDED_BY, ""),
        resumed_by=annotations.get(marks.RESUMED_BY, ""),
        retried_by=annotations.get(marks.RETRIED_BY, ""),
        progress_at=moment(annotations.get(PROGRESS_ANNOTATION)),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(str(one) for one in metadata.get("finalizers") or ()),
        expires_at=_expires_at(spec, status),
    )


def pod(raw: Raw) -> Pod:
    """Read a Pod."""
    metadata, status = part(raw, "metadata"), part(raw, "status")
    annotations = texts(metadata, "annotations")
    return Pod(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        node_id=annotations.get(NODE_ID, ""),
        phase=text(status, "phase"),
        message=text(status, "message"),
        containers=tuple(
            _container(one) for key in ("initContainerStatuses", "containerStatuses") for one in status.get(key) or ()
        ),
        node_name=text(part(raw, "spec"), "nodeName"),
        created_at=moment(metadata.get("creationTimestamp")),
        progress_at=moment(annotations.get(PROGRESS_ANNOTATION)),
        deleting="deletionTimestamp" in metadata,
    )


def warning(raw: Raw) -> WarningEvent:
    """Read an Event; both of Kubernetes' ways to count are understood."""
    concerned, series = part(raw, "involvedObject"), part(raw, "series")
    times = (
        series.get("lastObservedTime"),
        raw.get("lastTimestamp"),
        raw.get("eventTime"),
        raw.get("firstTimestamp"),
        part(raw, "metadata").get("creationTimestamp"),
    )
    return WarningEvent(
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        count=int(series.get("count") or raw.get("count") or 1),
        last_at=next((at for at in map(moment, times) if at is not None), None),
        object=f"{text(concerned, 'kind')}/{text(concerned, 'name')}",
    )


def moment(said: object) -> datetime | None:
    """Read an RFC 3339 time; None for whatever is not one."""
    if not isinstance(said, str):
        return None
    try:
        at = datetime.fromisoformat(said)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _expires_at(spec: Raw, status: Raw) -> datetime | None:
    """Say when Argo deletes a finished workflow, as its controller reckons (`workflow/gccontroller`, v4.1)."""
    finished = moment(status.get("finishedAt"))
    kept = part(spec, "ttlStrategy") or part(part(status, "storedWorkflowTemplateSpec"), "ttlStrategy")
    own = {Phase.SUCCEEDED: "secondsAfterSuccess", Phase.FAILED: "secondsAfterFailure"}.get(_phase(status), "")
    seconds = kept.get(own, kept.get("secondsAfterCompletion"))
    if finished is None or not isinstance(seconds, int):
        return None
    try:
        return finished + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _waits_for_a_person(node: Node) -> bool:
    return node.type == "Suspend" and node.phase is Phase.RUNNING


def _nodes(status: Raw) -> Iterator[Node]:
    if status.get("compressedNodes"):
        tree = unpack(text(status, "compressedNodes"))
    elif status.get("offloadNodeStatusVersion") and not status.get("nodes"):
        raise NodesUnreadable("Argo keeps the steps of this workflow in its database; only Argo Server can read them")
    else:
        tree = status.get("nodes") or {}
    if not isinstance(tree, dict) or not all(isinstance(node, dict) for node in tree.values()):
        raise NodesUnreadable("the steps of this workflow are not what Argo writes")
    return (_node(key, node) for key, node in tree.items())


def _node(key: str, raw: Raw) -> Node:
    return Node(
        id=text(raw, "id") or key,
        name=text(raw, "name"),
        display_name=text(raw, "displayName") or text(raw, "name"),
        type=text(raw, "type"),
        phase=_phase(raw),
        template=text(raw, "templateName"),
        message=text(raw, "message"),
        started_at=moment(raw.get("startedAt")),
        finished_at=moment(raw.get("finishedAt")),
        boundary=text(raw, "boundaryID"),
        children=_children(raw.get("children")),
    )


def _children(said: object) -> tuple[str, ...]:
    return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


def _container(raw: Raw) -> Container:
    state, last = part(raw, "state"), part(raw, "lastState")
    ended, ended_before = part(state, "terminated"), part(last, "terminated")
    return Container(
        name=text(raw, "name"),
        restarts=int(raw.get("restartCount") or 0),
        waiting=text(part(state, "waiting"), "reason"),
        last_termination=text(ended, "reason") or text(ended_before, "reason"),
        started_at=moment(part(state, "running").get("startedAt")) or moment(ended.get("startedAt")),
        running=bool(part(state, "running")),
    )


def _phase(raw: Raw) -> Phase:
    try:
        return Phase(text(raw, "phase"))
    except ValueError:
        return Phase.UNKNOWN


def part(raw: Raw, key: str) -> Raw:
    """Return an object within an object; empty where there is none."""
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def text(raw: Raw, key: str) -> str:
    """Return a text within an object; empty where there is none."""
    found = raw.get(key)
    return found if isinstance(found, str) else ""


def texts(raw: Raw, key: str) -> dict[str, str]:
    """Return a map of text to text within an object, without what is something else."""
    return {name: said for name, said in part(raw, key).items() if isinstance(said, str)}


def _parameters(spec: Raw) -> dict[str, str]:
    listed = part(spec, "arguments").get("parameters")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {text(one, "name"): text(one, "value") for one in found}
