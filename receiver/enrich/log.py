"""The last words of the step that is stuck, else of the one that failed."""

from collections.abc import Sequence
from typing import Final

from receiver.enrich.mask import Mask
from receiver.enrich.pods import unfinished
from receiver.enrich.workflow import failed_nodes, running_nodes
from receiver.model.finding import Finding, FindingState
from receiver.model.workflow import Pod, Workflow

SOURCE: Final = "log"

CONTAINER: Final = "main"
"""The container in which Argo runs what the step is for."""

LINES: Final = 20
LONGEST_LINE: Final = 500
"""Characters of one line."""
READ_AHEAD: Final = 1500
"""Characters beyond these that are looked at, so that no secret is cut in two before it is recognised."""


def choose(workflow: Workflow, pods: Sequence[Pod]) -> Pod | None:
    """Pick the pod whose log tells most: of the step that runs longest, else of the one that failed first, else any."""
    by_node = {pod.node_id: pod for pod in pods if pod.node_id}
    told = [by_node[node.id] for node in (*running_nodes(workflow), *failed_nodes(workflow)) if node.id in by_node]
    others = sorted(pods, key=lambda pod: (not unfinished(pod), pod.phase == "Succeeded", pod.name))
    return next(iter([*told, *others]), None)


def describe(pod: Pod, lines: Sequence[str], mask: Mask) -> Finding:
    """Tell the last lines, masked together before they are cut, so that no half of a secret is left."""
    read = [line[: LONGEST_LINE + READ_AHEAD] for line in lines[-LINES:]]
    shown = [line[:LONGEST_LINE] for line in mask.lines(read)]
    if not any(shown):
        return Finding(source=SOURCE, state=FindingState.EMPTY, summary=f"{pod.name} has not written anything")
    last = next(line for line in reversed(shown) if line)
    return Finding(
        source=SOURCE,
        state=FindingState.FOUND,
        summary=f"{pod.name}: {last}",
        detail={"pod": pod.name, "container": CONTAINER, "lines": shown},
    )
