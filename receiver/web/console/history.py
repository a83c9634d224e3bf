"""`/history`: what was, by the filters of the API, with what was loud, when, and how long it lasted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from receiver.model.alert import AlertStatus
from receiver.model.errors import QueryRefused
from receiver.model.history import AlertFilter, Step
from receiver.model.incident import IncidentState
from receiver.store.database import Database
from receiver.store.history import incidents
from receiver.store.history.incidents import IncidentFilter
from receiver.store.history.tiers import TieredAlerts
from receiver.store.stats import Stats, StatsFilter, stats
from receiver.web.access import needs
from receiver.web.console.drawing import HEIGHT, WIDTH, by_day, chart, heat
from receiver.web.console.page import page
from receiver.web.question import matchers, time
from receiver.webhook.access import Role

REACH: Final = timedelta(days=28)
"""What is counted where nobody says: four of each weekday."""

HOURLY: Final = timedelta(days=40)
"""Up to this, hours are counted, so that the heat map can be drawn; beyond, days."""

LOUDEST: Final = 10
SHOWN: Final = 50

_MINUTES: Final = len("2026-11-24T03:22")
"""What a browser's field for a time gives: no seconds and no zone. Ours is UTC."""

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form asks for; what was left empty is None."""

    kind: str
    state: str | None
    alertname: str | None
    severity: str | None
    namespace: str | None
    workflow: str | None
    label: str | None
    q: str | None
    since: datetime | None
    until: datetime | None


@get("/history", opt=needs(Role.VIEWER), include_in_schema=False)
async def history(
    *,
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    alerts_of_all_tiers: NamedDependency[TieredAlerts],
    kind: FromQuery[str | None] = None,
    in_state: Annotated[str | None, QueryParameter(name="state")] = None,
    alertname: FromQuery[str | None] = None,
    severity: FromQuery[str | None] = None,
    namespace: FromQuery[str | None] = None,
    workflow: FromQuery[str | None] = None,
    label: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show alerts or incidents of the past, newest first, and what they amount to."""
    asked = Asked(
        kind="incidents" if kind == "incidents" else "alerts",
        state=in_state or None,
        alertname=alertname or None,
        severity=severity or None,
        namespace=namespace or None,
        workflow=workflow or None,
        label=label or None,
        q=q or None,
        since=_moment(since, "since"),
        until=_moment(until, "until"),
    )
    if asked.kind == "incidents":
        async with database.transaction() as tx:
            listed: Any = await incidents.page(tx, _incidents(asked), limit=SHOWN, cursor=cursor or None)
        tiers: tuple[str, ...] = ()
    else:
        found = await alerts_of_all_tiers.page(_alerts(asked), limit=SHOWN, cursor=cursor or None)
        listed, tiers = found.page, tuple(found.tiers)
    counted = await _counted(database, asked)
    days = by_day(counted.steps) if counted.step is Step.HOUR else list(counted.steps)
    return page(
        request,
        "history.html",
        asked=asked,
        given={name: request.query_params.get(name, "") for name in _FIELDS},
        listed=listed,
        tiers=tiers,
        previous=_address(request, listed.previous),
        following=_address(request, listed.next),
        counted=counted,
        days=days,
        chart=chart(days),
        heat=heat(counted.steps) if counted.step is Step.HOUR else None,
        width=WIDTH,
        height=HEIGHT,
    )


_FIELDS: Final = ("alertname", "severity", "namespace", "workflow", "label", "q", "since", "until", "state")


def _address(request: Request[Any, Any, Any], cursor: str | None) -> str | None:
    """Give the address of another page of the same list."""
    if cursor is None:
        return None
    kept: Mapping[str, str] = {name: text for name, text in request.query_params.items() if text}
    return f"/history?{urlencode({**kept, 'cursor': cursor})}"


def _alerts(asked: Asked) -> AlertFilter:
    return AlertFilter(
        status=_one_of(AlertStatus, asked.state),
        alertname=asked.alertname,
        severity=asked.severity,
        namespace=asked.namespace,
        workflow=asked.workflow,
        labels=matchers([asked.label] if asked.label else None),
        since=asked.since,
        until=asked.until,
        q=asked.q,
    )


def _incidents(asked: Asked) -> IncidentFilter:
    return IncidentFilter(
        state=_one_of(IncidentState, asked.state),
        namespace=asked.namespace,
        workflow=asked.workflow,
        severity=asked.severity,
    )


async def _counted(database: Database, asked: Asked) -> Stats:
    """Count what the filters leave of four weeks, or of the range that is asked about."""
    now = datetime.now(UTC)
    until = asked.until or now
    since = asked.since or until - REACH
    wanted = StatsFilter(
        since=since,
        until=until,
        step=Step.HOUR if until - since <= HOURLY else Step.DAY,
        alertname=asked.alertname,
        severity=asked.severity,
        namespace=asked.namespace,
        workflow=asked.workflow if asked.namespace else None,
    )
    async with database.transaction() as tx:
        return await stats(tx, wanted, now=now, top=LOUDEST)


def _moment(text: str | None, parameter: str) -> datetime | None:
    if not text:
        return None
    return time(f"{text}:00Z" if len(text) == _MINUTES else text, parameter)


def _one_of(states: type[E], text: str | None) -> E | None:
    """Read a state; one of the other list means any."""
    if text is None:
        return None
    every = {one.value: one for one in states}
    known = {one.value for kind in (AlertStatus, IncidentState) for one in kind}
    if text not in known:
        raise QueryRefused("there is no such state", parameter="state")
    return every.get(text)
