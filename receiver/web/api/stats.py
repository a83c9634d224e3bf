"""`GET /api/v1/stats`: what happened over time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta, Struct

from receiver.store.database import Database
from receiver.store.stats import MOST_ALERTS, Stats, StatsFilter, Step, Tally, stats
from receiver.web.access import needs
from receiver.web.question import time
from receiver.webhook.access import Role

DAY = timedelta(days=1)
"""What is asked about where no `since` is given."""

_Mean = Annotated[
    float | None,
    Meta(description="Mean length, end minus start, of the occurrences that ended, each once; null where none did."),
]


class TallyShape(Struct, frozen=True, kw_only=True):
    """What was counted."""

    fired: Annotated[int, Meta(description="Occurrences that began.")]
    resolved: Annotated[int, Meta(description="Occurrences that ended, whenever they began.")]
    mttr_seconds: _Mean


class StepShape(TallyShape, frozen=True, kw_only=True):
    """What was counted in one step of time."""

    at: Annotated[datetime, Meta(description="Its begin.")]


class LoudShape(TallyShape, frozen=True, kw_only=True):
    """What was counted for one alert."""

    alertname: str


class SilentShape(Struct, frozen=True, kw_only=True):
    """One alert that fired before and not in the range."""

    alertname: str
    last_fired_at: Annotated[datetime, Meta(description="Begin of the hour in which it fired last.")]


class HealingShape(Struct, frozen=True, kw_only=True):
    """Incidents that were closed in the range."""

    closed: int
    healed: Annotated[
        int,
        Meta(
            description="Of these: a live remediation was seen to help, no page was to be sent, nobody acknowledged "
            "the incident, approved, rejected or cancelled."
        ),
    ]
    share: Annotated[float | None, Meta(description="`healed` of `closed`, 0 to 1; null where none was closed.")]


class PlaybookEndsShape(Struct, frozen=True, kw_only=True):
    """How often one playbook ended in each way."""

    playbook: str
    outcomes: dict[str, int]


class StatsShape(Struct, frozen=True, kw_only=True):
    """What happened in a range of time, in whole hours."""

    since: Annotated[datetime, Meta(description="Begin of the first hour that is counted.")]
    until: Annotated[datetime, Meta(description="End of the last one.")]
    step: Step
    live_since: Annotated[
        datetime | None,
        Meta(description="From here on counted from the alerts just now; hours before are counted once they are over."),
    ]
    gap_since: Annotated[
        datetime | None,
        Meta(description="From here until `live_since` nothing has been counted yet; null where nothing is missing."),
    ]
    total: TallyShape
    steps: Annotated[list[StepShape], Meta(description="Oldest first, also those in which nothing happened.")]
    alerts: Annotated[list[LoudShape], Meta(description="By name, the loudest first.")]
    silent: Annotated[
        list[SilentShape] | None,
        Meta(description="Those that fired last come first; null where the question is about one workflow."),
    ]
    silent_alerts: Annotated[int | None, Meta(description="How many were silent, also beyond the list.")]
    incidents: Annotated[HealingShape | None, Meta(description="Null where an alert or a severity is asked about.")]
    playbooks: Annotated[
        list[PlaybookEndsShape] | None, Meta(description="Null where the question is about a part of all alerts.")
    ]


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
