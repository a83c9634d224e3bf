"""The steps of a workflow as a drawing: what comes later stands further right, steps that ended alike share a box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.graph import Graph, Step

MOST_ALONE: Final = 24
"""Steps of which each has a box of its own; of more, siblings that ended alike share one."""
FEWEST_TOGETHER: Final = 3
LONGEST_NAME: Final = 22
"""Characters of a name that fit into a box."""
MOST_NAMED: Final = 5
"""Steps that are named where one comes after very many."""

WIDTH: Final = 168
HEIGHT: Final = 40
"""Of a box, in units of the drawing."""
_ASIDE: Final = 44
_BELOW: Final = 12
_EDGE: Final = 3

_TONES: Final[Mapping[str, str]] = {"Succeeded": "good", "Failed": "bad", "Error": "bad", "Running": "calm"}
_ENDED: Final = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One step, or several that ended alike.

    Attributes:
        name: As much of its name as fits.
        note: How it stands.
        title: All that is known of it, for whoever points at it.
        tone: Its colour; empty for none.
    """

    x: int
    y: int
    name: str
    note: str
    title: str
    tone: str
    stuck: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step as a line of the table.

    Attributes:
        after: What it comes after, or is held by; the first few.
        unnamed: How many more of those there are.
    """

    step: Step
    stuck: bool
    took: str
    after: tuple[str, ...]
    unnamed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A graph as it is drawn, and its table.

    Attributes:
        ways: Each a path of SVG from one box to the next.
        counts: How many steps of each phase are kept.
        left_out: How many of each phase are not.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    ways: tuple[str, ...]
    lines: tuple[Line, ...]
    stuck: Step | None
    counts: Mapping[str, int]
    left_out: Mapping[str, int]


def draw(graph: Graph) -> Drawn | None:
    """Draw the steps of a workflow; None where none are kept."""
    if not graph.steps:
        return None
    ups = _ups(graph.steps)
    layers = _layers(ups)
    # What leads back, as nothing of Argo's does, is not drawn.
    ups = [tuple(up for up in found if layers[up] < layers[place]) for place, found in enumerate(ups)]
    groups = _groups(graph, ups, layers)
    spots = _spots(graph, ups, layers, groups)
    home = {place: first for first, members in groups.items() for place in members}
    ways = {(home[up], home[place]) for place, found in enumerate(ups) for up in found}
    counts: dict[str, int] = {}
    for step in graph.steps:
        counts[step.phase] = counts.get(step.phase, 0) + 1
    return Drawn(
        width=max(x for x, _ in spots.values()) + WIDTH + _EDGE,
        height=max(y for _, y in spots.values()) + HEIGHT + _EDGE,
        boxes=tuple(
            _box(spots[first], [graph.steps[one] for one in members], stuck=graph.stuck in members)
            for first, members in groups.items()
        ),
        ways=tuple(_way(spots[one], spots[other]) for one, other in sorted(ways)),
        lines=tuple(_line(graph, place, found) for place, found in enumerate(ups)),
        stuck=graph.steps[graph.stuck] if graph.stuck is not None and graph.stuck < len(graph.steps) else None,
        counts=counts,
        left_out=graph.left_out,
    )


def _ups(steps: Sequence[Step]) -> list[tuple[int, ...]]:
    """Say of each step which ones lead to it; of one to which none does, which one holds it."""
    ups: list[list[int]] = [[] for _ in steps]
    for place, step in enumerate(steps):
        for down in step.then:
            if 0 <= down < len(steps) and down != place and place not in ups[down]:
                ups[down].append(place)
    for place, step in enumerate(steps):
        within = step.within
        if not ups[place] and within is not None and 0 <= within < len(steps) and within != place:
            ups[place].append(within)
    return [tuple(found) for found in ups]


def _layers(ups: Sequence[Sequence[int]]) -> list[int]:
    """Say how far right each step stands: one further than the last of those that lead to it."""
    layers = [0] * len(ups)
    waits = [len(found) for found in ups]
    downs: list[list[int]] = [[] for _ in ups]
    for place, found in enumerate(ups):
        for up in found:
            downs[up].append(place)
    free = [place for place, left in enumerate(waits) if left == 0]
    for place in free:
        for down in downs[place]:
            layers[down] = max(layers[down], layers[place] + 1)
            waits[down] -= 1
            if waits[down] == 0:
                free.append(down)
    return layers


def _groups(graph: Graph, ups: Sequence[Sequence[int]], layers: Sequence[int]) -> dict[int, list[int]]:
    """Put siblings that ended alike together where there are many steps; each group under its first place.

    Siblings come after the same boxes, so that steps behind a group can be a group themselves.
    """
    if len(graph.steps) <= MOST_ALONE:
        return {place: [place] for place in range(len(graph.steps))}
    home: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    for layer in sorted(set(layers)):
        alike: dict[tuple[frozenset[int], str], list[int]] = {}
        for place in (one for one, where in enumerate(layers) if where == layer):
            phase = graph.steps[place].phase
            if phase in _ENDED and place != graph.stuck:
                alike.setdefault((frozenset(home[up] for up in ups[place]), phase), []).append(place)
            else:
                groups[place] = [place]
        for members in alike.values():
            joined = [members] if len(members) >= FEWEST_TOGETHER else [[one] for one in members]
            groups |= {some[0]: some for some in joined}
        home |= {place: first for first, some in groups.items() for place in some}
    return groups


def _spots(
    graph: Graph, ups: Sequence[Sequence[int]], layers: Sequence[int], groups: Mapping[int, Sequence[int]]
) -> dict[int, tuple[int, int]]:
    """Say where each box stands: the one at which it is stuck uppermost, the others beside those that lead to them."""
    spots: dict[int, tuple[int, int]] = {}
    rows: dict[int, int] = {}
    for layer in sorted(set(layers)):
        here = [first for first in groups if layers[first] == layer]
        leads = {one: [rows[up] for up in ups[one] if up in rows] for one in here}
        middle = {one: sum(found) / len(found) if found else 0.0 for one, found in leads.items()}
        here.sort(key=lambda one: (one != graph.stuck, middle[one], one))
        for row, first in enumerate(here):
            spots[first] = (_EDGE + layer * (WIDTH + _ASIDE), _EDGE + row * (HEIGHT + _BELOW))
            rows |= dict.fromkeys(groups[first], row)
    return spots


def _way(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = start[0] + WIDTH, start[1] + HEIGHT // 2
    to_x, to_y = end[0], end[1] + HEIGHT // 2
    bend = x + _ASIDE // 2
    return f"M{x} {y}C{bend} {y} {to_x - _ASIDE // 2} {to_y} {to_x} {to_y}"


def _box(spot: tuple[int, int], steps: Sequence[Step], *, stuck: bool) -> Box:
    first = steps[0]
    if len(steps) > 1:
        name, named = f"{len(steps)} steps", ", ".join(step.name for step in steps[:MOST_NAMED])
        title = f"{name}: {named}{' and more' if len(steps) > MOST_NAMED else ''}"
        note = first.phase
    else:
        name, title, note = first.name, f"{first.name} ({first.type})", _note(first)
    return Box(
        x=spot[0],
        y=spot[1],
        name=name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…",
        note=f"{first.phase} · stuck here" if stuck else note,
        title=title,
        tone=_TONES.get(first.phase, ""),
        stuck=stuck,
    )


def _note(step: Step) -> str:
    phase = step.phase or "not yet begun"
    if step.started_at is None:
        return phase
    took = _took(step)
    return f"{phase} · {took}" if took else f"{phase}, {step.started_at.astimezone(UTC):%d %b %H:%M}"


def _took(step: Step) -> str:
    if step.started_at is None or step.finished_at is None:
        return ""
    return format_duration(max(step.finished_at - step.started_at, timedelta()))


def _line(graph: Graph, place: int, ups: Sequence[int]) -> Line:
    return Line(
        step=graph.steps[place],
        stuck=place == graph.stuck,
        took=_took(graph.steps[place]),
        after=tuple(graph.steps[up].name for up in ups[:MOST_NAMED]),
        unnamed=max(0, len(ups) - MOST_NAMED),
    )
