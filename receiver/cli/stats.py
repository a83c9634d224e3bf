"""`receiver stats`: what happened over time, what was loud and what was silent."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from receiver.cli.filters import Alertname, Namespace, Severity
from receiver.cli.forms import Form
from receiver.cli.reading import Config, Moment, Output, Own, Server, TokenFile, Where, asking, moment
from receiver.cli.tables import cell, members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import ReceiverClient
from receiver.model.history import Step
from receiver.model.shapes.stats import StatsShape, TallyShape
from receiver.store.stats import MOST_ALERTS, StatsFilter, stats
from receiver.web.api.stats import DAY, stats_shape

app = typer.Typer(add_completion=False, name="stats")


@app.command()
def show_stats(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
    since: Moment = None,
    until: Moment = None,
    step: Annotated[Step | None, typer.Option(help="Counted by the hour or by the day; else what suits.")] = None,
    alertname: Alertname = None,
    severity: Severity = None,
    namespace: Namespace = None,
    workflow: Annotated[str | None, typer.Option(help="Only together with --namespace.")] = None,
    top: Annotated[int, typer.Option(min=1, max=MOST_ALERTS, help="Most alerts in a list.")] = 20,
) -> None:
    """Count what happened over time: by default in the last day, by the hour."""
    now = datetime.now(UTC)
    end = moment(until, "--until") or now
    plain: dict[str, Any] = {
        "since": moment(since, "--since") or end - DAY,
        "until": end,
        "step": step,
        "alertname": alertname,
        "severity": severity,
        "namespace": namespace,
        "workflow": workflow,
    }

    async def here(own: Own) -> StatsShape:
        return stats_shape(await stats(own.tx, StatsFilter(**plain), now=now, top=top))

    async def there(service: ReceiverClient) -> StatsShape:
        return await service.stats(**plain, top=top)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=_tell), watch=watch)


def _tell(found: StatsShape) -> None:
    _summary(found)
    say()
    table(
        ("loudest alerts", "fired>", "resolved>", "mean time to resolve>"),
        ((one.alertname, one.fired, one.resolved, _mean(one)) for one in found.alerts),
        empty="no alert fired",
    )
    _silence(found)
    _ends(found)
    if not found.alerts:
        return
    say()
    table(
        (f"by the {'hour' if found.step is Step.HOUR else 'day'}", "fired>", "resolved>"),
        ((_step(one.at, found.step), one.fired, one.resolved) for one in found.steps if one.fired or one.resolved),
    )


def _step(at: datetime, step: Step) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if step is Step.HOUR else f"{at:%Y-%m-%d}"


def _mean(tally: TallyShape) -> timedelta | None:
    return None if tally.mttr_seconds is None else timedelta(seconds=tally.mttr_seconds)


def _summary(found: StatsShape) -> None:
    total = found.total
    mean = _mean(total)
    rows: list[tuple[str, object]] = [
        ("from", found.since),
        ("until", found.until),
        ("not counted yet", found.gap_since and f"{cell(found.gap_since)} until {cell(found.live_since)}"),
        ("fired", total.fired),
        ("resolved", total.resolved),
        ("mean time to resolve", mean and f"{cell(mean)}, from begin to end of the {total.resolved} that ended"),
    ]
    if found.incidents is not None:
        share = f" ({found.incidents.healed / found.incidents.closed:.0%})" if found.incidents.closed else ""
        rows += [
            ("incidents closed", found.incidents.closed),
            ("healed without a human", f"{found.incidents.healed}{share}"),
        ]
    members(rows)


def _silence(found: StatsShape) -> None:
    if found.silent is None:
        return
    say()
    table(
        ("silent alerts", "fired last in the hour of"),
        ((one.alertname, one.last_fired_at) for one in found.silent),
        empty="no alert that was known was silent",
    )
    if found.silent_alerts is not None and found.silent_alerts > len(found.silent):
        say(f"and {found.silent_alerts - len(found.silent)} more: --top {found.silent_alerts}")


def _ends(found: StatsShape) -> None:
    if not found.playbooks:
        return
    say()
    table(
        ("playbook", "ended as", "times>"),
        ((one.playbook, outcome, number) for one in found.playbooks for outcome, number in one.outcomes.items()),
    )
