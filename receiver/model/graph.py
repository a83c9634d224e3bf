"""The steps of a workflow as a look at it keeps them: which one leads to which, and no more than can be drawn.

A step is named by its place in the list, not by Argo's id: that is a tenth as long, and no text of a stranger decides
what is linked with what.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step, or one group of steps.

    Attributes:
        name: The last part of its name, as people read it, cut where it is long; hostile text.
        type: Argo's word: Pod, DAG, Steps, StepGroup, Suspend, Retry, and so on.
        phase: Argo's word: Running, Succeeded, and so on; empty where it has none yet.
        then: Places of the steps that come after it, or of those that it holds.
        within: Place of the step that holds it; None for the outermost, or where that one is left out.
        started_at: When it began; None before.
        finished_at: When it ended; None before.
    """

    name: str
    type: str = ""
    phase: str = ""
    then: tuple[int, ...] = ()
    within: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Graph(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All steps that are kept of a workflow.

    Attributes:
        steps: In the order in which they began.
        stuck: Place of the step at which it is stuck; None where nothing failed and nothing goes on.
        left_out: How many further steps there were, by phase.
    """

    steps: tuple[Step, ...] = ()
    stuck: int | None = None
    left_out: dict[str, int] = {}


def written(graph: Graph) -> dict[str, Any]:
    """Write a graph as JSON values, as a finding keeps them."""
    made: dict[str, Any] = msgspec.to_builtins(graph)
    return made


def graph_of(detail: Mapping[str, Any]) -> Graph:
    """Read the graph that a finding about a workflow keeps; an empty one where it keeps none that can be read."""
    try:
        return msgspec.convert(detail.get("graph", {}), Graph)
    except msgspec.ValidationError:
        return Graph()
