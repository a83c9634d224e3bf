"""What resuming a workflow changes, as Argo's own verb does it. Pure.

Argo takes `spec.suspend` away and lets every suspend step that waits succeed. The steps are part of the object only
where they are neither packed nor offloaded, and one that waits for a value from outside needs Argo's own rules.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from receiver.clients.kubernetes.packed import unpack
from receiver.clients.kubernetes.reading import Raw, part, text
from receiver.model.errors import NodesUnreadable


def resumption(raw: Raw, *, action: str, operation: str, now: datetime) -> dict[str, Any]:
    """Return the parts of the patch that lets a workflow go on, by name; empty where nothing waits.

    Args:
        raw: The workflow.
        action: What is asked, for the error.
        operation: Who asks.
        now: The present time.

    Raises:
        NodesUnreadable: Only Argo Server can do it.
    """
    status = part(raw, "status")
    packed = text(status, "compressedNodes")
    if not packed and status.get("offloadNodeStatusVersion") and not status.get("nodes"):
        raise NodesUnreadable(f"Could not {action}: Argo keeps its steps in its database. Resume it by Argo Server.")
    nodes = unpack(packed) if packed else status.get("nodes") or {}
    waiting = {key: node for key, node in nodes.items() if _waits(node)} if isinstance(nodes, dict) else {}
    if packed and waiting:
        raise NodesUnreadable(f"Could not {action}: Argo has packed its steps. Resume it by Argo Server.")
    if any(_wants_a_value(node) for node in waiting.values()):
        raise NodesUnreadable(f"Could not {action}: it waits for a value. Resume it by Argo Server, or give the value.")
    change: dict[str, Any] = {}
    if part(raw, "spec").get("suspend") is True:
        change["spec"] = {"suspend": None}
    if waiting:
        change["status"] = {"nodes": {key: _gone_on(node, operation, now) for key, node in waiting.items()}}
    return change


def _waits(node: object) -> bool:
    return isinstance(node, dict) and node.get("type") == "Suspend" and node.get("phase") == "Running"


def _wants_a_value(node: Raw) -> bool:
    parameters = part(node, "outputs").get("parameters")
    listed = parameters if isinstance(parameters, list) else []
    return any("supplied" in part(one, "valueFrom") for one in listed if isinstance(one, dict))


def _gone_on(node: Raw, operation: str, now: datetime) -> Mapping[str, str]:
    said = text(node, "message")
    who = f"Resumed by: Receiver ({operation})"
    return {
        "phase": "Succeeded",
        "message": f"{said}; {who}" if said else who,
        "finishedAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
