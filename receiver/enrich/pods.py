"""The workflow's pods: where they run, how often they were restarted, why they ended or wait."""

from collections.abc import Sequence
from typing import Final

from receiver.model.finding import Finding, FindingState
from receiver.model.workflow import Container, Pod

SOURCE: Final = "pods"

MOST_PODS: Final = 30
LONGEST_MESSAGE: Final = 1000
"""Characters of one message."""


def describe(pods: Sequence[Pod]) -> Finding:
    """Say how pods are, those that are not well before the others."""
    if not pods:
        return Finding(source=SOURCE, state=FindingState.EMPTY, summary="the workflow has no pods")
    ordered = sorted(pods, key=lambda pod: (pod.phase == "Succeeded", not _troubles(pod), pod.name))
    counted = "1 pod" if len(pods) == 1 else f"{len(pods)} pods"
    return Finding(
        source=SOURCE,
        state=FindingState.FOUND,
        summary=f"{counted}; {_summary(ordered[0])}",
        detail={"pods": [_told(pod) for pod in ordered[:MOST_PODS]], "left_out": max(0, len(pods) - MOST_PODS)},
    )


def unfinished(pod: Pod) -> bool:
    """Answer whether a pod may still do something."""
    return pod.phase not in {"Succeeded", "Failed"}


def _summary(pod: Pod) -> str:
    where = f" on {pod.node_name}" if pod.node_name else ", on no node yet" if pod.phase == "Pending" else ""
    going = ", asked to go" if pod.deleting else ""
    return "; ".join([f"{pod.name} {pod.phase}{where}{going}", *_troubles(pod)])


def _troubles(pod: Pod) -> list[str]:
    return [trouble for container in pod.containers for trouble in _trouble(container)]


def _trouble(container: Container) -> list[str]:
    found = []
    if container.waiting:
        found.append(f"{container.name} waits: {container.waiting}")
    if container.restarts:
        found.append(
            f"{container.name} restarted {'once' if container.restarts == 1 else f'{container.restarts} times'}"
        )
    if container.last_termination not in {"", "Completed"}:
        found.append(f"{container.name} last ended: {container.last_termination}")
    return found


def _told(pod: Pod) -> dict[str, object]:
    return {
        "name": pod.name,
        "phase": pod.phase,
        "message": pod.message[:LONGEST_MESSAGE],
        "node": pod.node_name,
        "created_at": pod.created_at and pod.created_at.isoformat(),
        "deleting": pod.deleting,
        "containers": [
            {
                "name": container.name,
                "restarts": container.restarts,
                "waiting": container.waiting,
                "last_termination": container.last_termination,
                "started_at": container.started_at and container.started_at.isoformat(),
            }
            for container in pod.containers
        ],
    }
