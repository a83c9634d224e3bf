"""A raw workflow with its steps in it, wherever Argo keeps them: an archive must not need Argo's database. Pure."""

from collections.abc import Mapping
from typing import Any

from receiver.clients.kubernetes.packed import unpack
from receiver.clients.kubernetes.reading import part, text
from receiver.model.errors import Conflict, NodesUnreadable

Raw = dict[str, Any]


def with_steps(raw: Raw) -> Raw | None:
    """Return a workflow with its steps unpacked; None where Argo keeps them in its database.

    Raises:
        NodesUnreadable: They are packed, and cannot be unpacked.
    """
    status = part(raw, "status")
    if status.get("compressedNodes"):
        nodes = unpack(text(status, "compressedNodes"))
        if not isinstance(nodes, dict):
            raise NodesUnreadable("the steps of this workflow are not what Argo writes")
        return _holding(raw, nodes, without="compressedNodes")
    return None if status.get("offloadNodeStatusVersion") and not status.get("nodes") else raw


def with_steps_of(raw: Raw, told: Raw) -> Raw:
    """Return a workflow with the steps that Argo Server tells of it.

    Args:
        raw: As the Kubernetes API has it.
        told: As Argo Server has it, which may be another run, or a later state.

    Raises:
        Conflict: It is one of these.
        NodesUnreadable: Argo Server does not tell any steps.
    """
    same = all(
        part(raw, where).get(what) == part(told, where).get(what)
        for where, what in (("metadata", "uid"), ("status", "phase"), ("status", "finishedAt"))
    )
    if not same:
        raise Conflict("Argo Server tells of another state of this workflow than the Kubernetes API: look again")
    nodes = part(told, "status").get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        raise NodesUnreadable("Argo Server does not tell the steps of this workflow; look at its persistence")
    return _holding(raw, nodes, without="offloadNodeStatusVersion")


def _holding(raw: Raw, nodes: Mapping[str, Any], *, without: str) -> Raw:
    status = {name: value for name, value in part(raw, "status").items() if name != without}
    return raw | {"status": status | {"nodes": dict(nodes)}}
