"""What is kept of the steps of a workflow so that they can be drawn: what goes on or failed, and the way to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from receiver.model.graph import Graph, Step
from receiver.model.workflow import Node, Phase, Workflow

MOST_STEPS: Final = 200
MOST_TELLING: Final = 120
"""Steps that go on or failed; the others of `MOST_STEPS` show how they were reached."""
MOST_LINKS: Final = 600
LONGEST_NAME: Final = 100
"""Characters of a step's name that are kept."""

_TELLING: Final = frozenset({Phase.FAILED, Phase.ERROR, Phase.RUNNING, Phase.PENDING, Phase.UNKNOWN})
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def graph(workflow: Workflow, stuck: Node | None) -> Graph:
    """Keep the steps of a workflow, bounded.

    Args:
        workflow: As it was read.
        stuck: The step at which it is stuck; it is kept before all others.
    """
    nodes = {node.id: node for node in workflow.nodes or ()}
    kept = _kept(nodes, stuck)
    ordered = sorted(kept, key=lambda node: (node.started_at or _LAST, node.name))
    places = {node.id: place for place, node in enumerate(ordered)}
    left_out = Counter(node.phase.value for node in nodes.values() if node.id not in places)
    steps = []
    links = MOST_LINKS
    for node in ordered:
        then = tuple(places[child] for child in node.children if child in places)[:links]
        links -= len(then)
        steps.append(
            Step(
                name=node.display_name[:LONGEST_NAME],
                type=node.type[:LONGEST_NAME],
                phase=node.phase.value,
                then=then,
                within=places.get(node.boundary),
                started_at=node.started_at,
                finished_at=node.finished_at,
            )
        )
    return Graph(steps=tuple(steps), stuck=places.get(stuck.id) if stuck else None, left_out=dict(left_out))


def _kept(nodes: Mapping[str, Node], stuck: Node | None) -> Sequence[Node]:
    """Choose steps: those that tell something, then those before them, nearest first, then the rest as they began."""
    if len(nodes) <= MOST_STEPS:
        return list(nodes.values())
    by_begin = sorted(nodes.values(), key=lambda node: (node.started_at or _LAST, node.name))
    telling = [node for node in by_begin if node.phase in _TELLING][:MOST_TELLING]
    kept = {node.id: node for node in ([stuck] if stuck else []) + telling}
    before = _before(nodes.values())
    edge = list(kept)
    while edge and len(kept) < MOST_STEPS:
        edge = [one for one in dict.fromkeys(up for key in edge for up in before.get(key, ())) if one not in kept]
        kept |= {key: nodes[key] for key in edge[: MOST_STEPS - len(kept)]}
    for node in by_begin:
        if len(kept) >= MOST_STEPS:
            break
        kept.setdefault(node.id, node)
    return list(kept.values())


def _before(nodes: Iterable[Node]) -> Mapping[str, list[str]]:
    """Say of each step which steps lead to it or hold it."""
    listed = list(nodes)
    known = {node.id for node in listed}
    before: dict[str, list[str]] = {}
    for node in listed:
        if node.boundary in known:
            before.setdefault(node.id, []).append(node.boundary)
        for child in node.children:
            before.setdefault(child, []).append(node.id)
    return {key: found for key, found in before.items() if key in known}
