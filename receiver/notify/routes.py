"""Which routes an incident takes, to whom they lead, and why: pure, so that it can be asked at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from receiver.model.matcher import Matcher, all_match
from receiver.model.message import Lane, Place
from receiver.settings import Owner, Route

_NO_ANNOTATIONS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who is told.

    Attributes:
        lanes: Where to, each once; empty when nobody is told. An empty address is the default one of its place.
        number: Which route it was, from 1, the first of them where several lead on; None when none matched.
        reason: One sentence for people; quotes matchers of the settings.
        owner: To whom the incident belongs; empty where to nobody.
        home: Where it is told of whatever the routes say: the owner's addresses, else the default ones.
        severities: What severities are called at PagerDuty.
        templates: The file with the words for a lane, where a route names one.
        speak_at: When a route that is muted now tells of it; None where none is.
        steps: What was asked, one sentence each.
    """

    lanes: tuple[Lane, ...]
    number: int | None
    reason: str
    owner: str = ""
    home: tuple[Lane, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[Lane, str] = field(default_factory=dict)
    speak_at: datetime | None = None
    steps: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that are told, each once."""
        return tuple(dict.fromkeys(lane.place for lane in self.lanes))


def choose(
    routes: Sequence[Route],
    labels: Mapping[str, str],
    *,
    owners: Sequence[Owner] = (),
    annotations: Mapping[str, str] = _NO_ANNOTATIONS,
    at: datetime | None = None,
) -> Choice:
    """Pick the first route whose matchers all match, and those after it as long as each leads on.

    Args:
        routes: In the order in which they are asked; one without matchers matches everything.
        labels: Those of the incident's worst alert.
        owners: In the order in which they are asked.
        annotations: Those of the workflow.
        at: By which hours count; None means now.
    """
    now = at or datetime.now(UTC)
    owner = _owner(owners, labels, annotations)
    steps = [_owned(owner, owners)]
    taken: list[tuple[int, Route]] = []
    for number, route in enumerate(routes, start=1):
        said = _refusal(route, labels, now)
        if not said:
            taken.append((number, route))
            said = _sends(route, owner, now)
        steps.append(f"Route {number} ({_condition(route)}) {said}.")
        if taken and taken[-1][1] is route and not route.goes_on:
            break
    speaking = [route for _, route in taken if not route.is_muted(now)]
    quiet = [until for _, route in taken if route.is_muted(now) and (until := route.muted_until(now))]
    lanes = dict.fromkeys(lane for route in speaking for lane in _lanes(route, owner))
    severities = next((route.severities for route in speaking if "pagerduty" in route.to), {})
    home = (Lane(Place.SLACK, _channel(None, owner)), Lane(Place.PAGERDUTY, _key(owner)))
    return Choice(
        lanes=tuple(lanes),
        number=taken[0][0] if taken else None,
        reason=_reason(routes, taken, owner, now),
        owner=owner.title if owner else "",
        home=home,
        severities=severities,
        templates=_templates(speaking, owner),
        speak_at=min(quiet, default=None),
        steps=tuple(step for step in steps if step),
    )


def _owner(owners: Sequence[Owner], labels: Mapping[str, str], annotations: Mapping[str, str]) -> Owner | None:
    for owner in owners:
        if all_match(owner.matchers, labels) and all_match(owner.annotations, annotations):
            return owner
    return None


def _owned(owner: Owner | None, owners: Sequence[Owner]) -> str:
    if owner is None:
        return "It belongs to no owner." if owners else ""
    return f"It belongs to {owner.title}."


def _refusal(route: Route, labels: Mapping[str, str], now: datetime) -> str:
    """Say why a route is not taken; empty when it is."""
    unmet = next((matcher for matcher in route.matchers if not matcher.matches(labels)), None)
    if unmet is not None:
        return f"does not match: {_found(unmet, labels)}"
    if not route.is_active(now):
        return f"does not exist at {_clock(route, now)}: it is active {', '.join(route.active)}"
    return ""


def _found(matcher: Matcher, labels: Mapping[str, str]) -> str:
    value = labels.get(matcher.name)
    return f"{matcher.name} is {value!r}" if value else f"there is no label {matcher.name}"


def _sends(route: Route, owner: Owner | None, now: datetime) -> str:
    leads = "; the routes after it are asked as well" if route.goes_on else ""
    if route.is_muted(now):
        return f"is muted at {_clock(route, now)}: {', '.join(route.mute)}{leads}"
    return f"sends to {_told(route, owner)}{leads}"


def _told(route: Route, owner: Owner | None) -> str:
    named = (f"{lane.place.value} {lane.address}".strip() for lane in _lanes(route, owner))
    return " and ".join(named) or "nobody"


def _reason(routes: Sequence[Route], taken: Sequence[tuple[int, Route]], owner: Owner | None, now: datetime) -> str:
    if not taken:
        count = "there are no routes" if not routes else f"none of the {len(routes)} routes matches"
        return f"Nobody is told, since {count}."
    parts = []
    for number, route in taken:
        said = f"is muted at {_clock(route, now)}" if route.is_muted(now) else f"sends to {_told(route, owner)}"
        parts.append(f"route {number} ({_condition(route)}) {said}")
    text = ", and ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _lanes(route: Route, owner: Owner | None) -> tuple[Lane, ...]:
    addresses = {"slack": _channel(route, owner), "pagerduty": _key(owner)}
    return tuple(dict.fromkeys(Lane(Place(name), addresses[name]) for name in route.to))


def _templates(speaking: Sequence[Route], owner: Owner | None) -> dict[Lane, str]:
    """Name the template for each lane: that of the first route that leads there."""
    first = {lane: route for route in reversed(speaking) for lane in _lanes(route, owner)}
    return {lane: route.template for lane, route in first.items() if route.template is not None}


def _channel(route: Route | None, owner: Owner | None) -> str:
    return (route.channel if route else None) or (owner.slack if owner else None) or ""


def _key(owner: Owner | None) -> str:
    return owner.title if owner and owner.secret.given else ""


def _clock(route: Route, now: datetime) -> str:
    return f"{route.timezone.local(now):%a %H:%M} ({route.timezone})"


def _condition(route: Route) -> str:
    return ", ".join(str(matcher) for matcher in route.matchers) or "for everything"
