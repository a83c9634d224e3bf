"""Remediation: what healed without a human and how fast, what guards refused, and what is under way."""

from collections.abc import Iterable

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana.pieces import QUARTER, THIRD, WIDE, Query, frame, lines, number


def board() -> Dashboard:
    """Make the dashboard."""
    begun = frame(
        "remediation",
        "Remediation",
        tags=["receiver", "remediation"],
        description="What healed, and what guards refused. The numbers of a day roll: they look back from now.",
        since="now-7d",
    )
    for panel in _healed():
        begun.with_panel(panel)
    for title, panels in {"Guards and outcomes": _refused(), "Under way": _under_way()}.items():
        begun.with_row(Row(title))
        for panel in panels:
            begun.with_panel(panel)
    return begun


def _healed() -> Iterable[stat.Panel | timeseries.Panel]:
    healed, closed = "max(receiver_incidents_healed_last_day)", "max(receiver_incidents_closed_last_day)"
    yield number(
        "Healed without a human, of a day's incidents",
        "A run was seen to help, nobody was woken, and nobody was asked. None where no incident was closed.",
        Query(expr=f"{healed} / ({closed} > 0)"),
        unit="percentunit",
    )
    yield number(
        "Healed within a day",
        "Incidents that were closed and that no person had to do anything about.",
        Query(expr=healed),
    )
    yield number(
        "Time to heal, half of them",
        "From the opening of an incident to the end of the run that was seen to help.",
        Query(expr='max(receiver_heal_seconds_last_day{quantile="0.5"})'),
        unit="s",
    )
    yield number(
        "Refused by guards within a day",
        "Each is told by `receiver why`, with the value that was measured and its limit.",
        Query(expr="max(sum without (playbook, guard) (receiver_playbook_refusals_last_day)) or on () vector(0)"),
    )
    yield lines(
        "Closed and healed within a day",
        "The difference was closed by itself or by people.",
        Query(expr=closed, legend="closed"),
        Query(expr=healed, legend="healed without a human"),
        span=WIDE // 2,
    )
    yield lines(
        "Time to heal",
        "Of the runs of a day that were seen to help.",
        Query(expr="max by (quantile) (receiver_heal_seconds_last_day)", legend="{{quantile}}"),
        unit="s",
        span=WIDE // 2,
    )


def _refused() -> Iterable[timeseries.Panel]:
    yield lines(
        "Refused by guard",
        "By the first guard that refused, over a day.",
        Query(
            expr="max by (guard) (sum without (playbook) (receiver_playbook_refusals_last_day)) or on () vector(0)",
            legend="{{guard}}",
        ),
        span=THIRD,
    )
    yield lines(
        "Outcomes",
        "How playbooks ended, whether they began a run or not, over a day.",
        Query(
            expr="max by (outcome) (sum without (playbook) (receiver_playbook_outcomes_last_day))",
            legend="{{outcome}}",
        ),
        span=THIRD,
    )
    yield lines(
        "Outcomes by playbook",
        "Over a day.",
        Query(
            expr="max by (playbook, outcome) (receiver_playbook_outcomes_last_day)",
            legend="{{playbook}} {{outcome}}",
        ),
        span=THIRD,
    )


def _under_way() -> Iterable[stat.Panel | timeseries.Panel]:
    yield lines(
        "Runs",
        "What runs or waits now, approvals among them: `receiver remediations list`.",
        Query(expr="max by (state) (receiver_runs_active)", legend="{{state}}"),
        span=WIDE // 2,
    )
    for title, kind, description in (
        ("Runs begun", "run.started", "Within an hour."),
        ("Breakers opened", "breaker.opened", "Within an hour; a playbook that does not help has lost the word live."),
    ):
        yield number(title, description, Query(expr=f'max(receiver_events_last_hour{{kind="{kind}"}})'), span=QUARTER)
