"""Which route an incident takes, and why: pure, so that it can be asked without anything happening."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from receiver.model.matcher import all_match
from receiver.model.message import Place
from receiver.settings import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who is told.

    Attributes:
        places: Where to; empty when nobody is told.
        number: Which route it was, from 1; None when none matched.
        reason: One sentence for people; quotes matchers of the settings.
    """

    places: tuple[Place, ...]
    number: int | None
    reason: str


def choose(routes: Sequence[Route], labels: Mapping[str, str]) -> Choice:
    """Pick the first route whose matchers all match; one without matchers matches everything."""
    for number, route in enumerate(routes, start=1):
        if all_match(route.matchers, labels):
            return Choice(
                places=tuple(dict.fromkeys(Place(name) for name in route.to)),
                number=number,
                reason=f"Route {number} ({_condition(route)}) sends to {' and '.join(route.to) or 'nobody'}.",
            )
    count = "there are no routes" if not routes else f"none of the {len(routes)} routes matches"
    return Choice(places=(), number=None, reason=f"Nobody is told, since {count}.")


def _condition(route: Route) -> str:
    return ", ".join(str(matcher) for matcher in route.matchers) or "for everything"
