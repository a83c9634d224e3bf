"""`GET /api/v1/stats`: what happened over time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from receiver.model.history import Step
from receiver.model.shapes.stats import (
    HealingShape,
    LoudShape,
    PlaybookEndsShape,
    SilentShape,
    StatsShape,
    StepShape,
    TallyShape,
)
from receiver.store.database import Database
from receiver.store.stats import MOST_ALERTS, Stats, StatsFilter, Tally, stats
from receiver.web.access import needs
from receiver.web.question import time
from receiver.webhook.access import Role

DAY = timedelta(days=1)
"""What is asked about where no `since` is given."""


def stats_shape(found: Stats) -> StatsShape:
    """Give an answer its shape."""
    healing = found.incidents
    return StatsShape(
        since=found.since,
        until=found.until,
        step=found.step,
        live_since=found.live_since,
        gap_since=found.gap_since,
        total=TallyShape(fired=found.total.fired, resolved=found.total.resolved, mttr_seconds=_mean(found.total)),
        steps=[
            StepShape(at=at, fired=one.fired, resolved=one.resolved, mttr_seconds=_mean(one)) for at, one in found.steps
        ],
        alerts=[
            LoudShape(alertname=name, fired=one.fired, resolved=one.resolved, mttr_seconds=_mean(one))
            for name, one in found.alerts
        ],
        silent=None
        if found.silent is None
        else [SilentShape(alertname=one.alertname, last_fired_at=one.last_fired_at) for one in found.silent],
        silent_alerts=found.silent_alerts,
        incidents=None
        if healing is None
        else HealingShape(
            closed=healing.closed,
            healed=healing.healed,
            share=healing.healed / healing.closed if healing.closed else None,
        ),
        playbooks=None
        if found.playbooks is None
        else [PlaybookEndsShape(playbook=name, outcomes=dict(ends)) for name, ends in found.playbooks.items()],
    )


@get("/", summary="Count what happened over time", operation_id="getStats")
async def get_stats(
    *,
    database: NamedDependency[Database],
    since: Annotated[
        str | None, QueryParameter(description="Begin, RFC 3339, rounded down to the hour; else a day before `until`.")
    ] = None,
    until: Annotated[
        str | None, QueryParameter(description="End, RFC 3339, rounded up to the hour; else the present.")
    ] = None,
    step: Annotated[
        Step | None, QueryParameter(description="Length of a step; else 1h in a range of two days, 1d in a longer one.")
    ] = None,
    alertname: FromQuery[str | None] = None,
    severity: FromQuery[str | None] = None,
    namespace: FromQuery[str | None] = None,
    workflow: Annotated[str | None, QueryParameter(description="Only together with `namespace`.")] = None,
    top: Annotated[int, QueryParameter(ge=1, le=MOST_ALERTS, description="Most alerts in a list.")] = 20,
) -> StatsShape:
    """Answer with counts, times to resolve, what healed by itself, the loudest alerts and the silent ones."""
    at = datetime.now(UTC)
    end = time(until, "until") or at
    wanted = StatsFilter(
        since=time(since, "since") or _before(end),
        until=end,
        step=step,
        alertname=alertname,
        severity=severity,
        namespace=namespace,
        workflow=workflow,
    )
    async with database.transaction() as tx:
        return stats_shape(await stats(tx, wanted, now=at, top=top))


def _before(end: datetime) -> datetime:
    return max(end, datetime.min.replace(tzinfo=UTC) + DAY) - DAY


def _mean(tally: Tally) -> float | None:
    mean = tally.mean_time_to_resolve
    return None if mean is None else mean / timedelta(seconds=1)


ROUTER = Router("/stats", route_handlers=[get_stats], opt=needs(Role.VIEWER), tags=["stats"])
