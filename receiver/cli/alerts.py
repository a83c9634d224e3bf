"""`receiver alerts`: occurrences, one of them, and what happens as it happens."""

import asyncio
import time
from datetime import timedelta
from typing import Annotated, Final

import typer

from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    Moment,
    Output,
    absent,
    ask,
    moment,
    more,
    opened,
    run,
    settings_of,
)
from receiver.cli.tables import Form, cell, dump, dump_line, members, say, table
from receiver.model.alert import AlertStatus
from receiver.model.incident import Occurrence
from receiver.model.timeline import Event
from receiver.store.database import Database, Transaction
from receiver.store.history import alerts, timeline
from receiver.store.history.alerts import AlertFilter
from receiver.web.api.alerts import alert_shape
from receiver.web.api.shapes import items_of
from receiver.web.api.timeline import event_shape
from receiver.web.feed import INTERVAL, Progress
from receiver.web.question import matchers

app = typer.Typer(
    add_completion=False, name="alerts", help="Alerts: every occurrence that was ever delivered.", no_args_is_help=True
)

_WHOLE: Final = 500
"""Lines of a timeline that are shown; the API has all of them."""


@app.command("list")
def list_alerts(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    status: AlertStatus | None = None,
    alertname: str | None = None,
    severity: str | None = None,
    namespace: str | None = None,
    workflow: str | None = None,
    fingerprint: str | None = None,
    label: Annotated[
        list[str] | None, typer.Option(help="team=a, team!=a, team=~a|b or team!~a|b; repeatable.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    q: Annotated[str | None, typer.Option("-q", "--q", help="Words in labels or annotations.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List alerts, newest first."""
    wanted = AlertFilter(
        status=status,
        alertname=alertname,
        severity=severity,
        namespace=namespace,
        workflow=workflow,
        fingerprint=fingerprint,
        labels=matchers(label),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        q=q,
    )
    page = ask(config, lambda tx: alerts.page(tx, wanted, limit=limit, cursor=cursor))
    if output is Form.JSON:
        dump(items_of(page, alert_shape))
        return
    alert_table(page.items)
    more(page)


@app.command("show")
def show_alert(alert: str, *, config: Config = None, output: Output = Form.TABLE) -> None:
    """Show one alert, and what happened to it."""

    async def question(tx: Transaction) -> tuple[Occurrence | None, tuple[Event, ...]]:
        found = await alerts.get(tx, alert)
        if found is None:
            return None, ()
        return found, tuple((await timeline.of_alert(tx, found.id, limit=_WHOLE)).items)

    found, events = ask(config, question)
    if found is None:
        raise absent(f"alert {alert!r}", "alerts list")
    if output is Form.JSON:
        dump({"alert": alert_shape(found), "timeline": [event_shape(event) for event in events]})
        return
    _tell(found)
    event_table(events)


@app.command("tail")
def tail(
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    everything: Annotated[bool, typer.Option("--all", help="Also incidents, remediations and messages.")] = False,
) -> None:
    """Print what happens to alerts as it happens, until it is ended by Ctrl-C; one line of JSON each with -o json."""

    async def following() -> None:
        async with opened(settings_of(config)) as database:
            await _follow(database, output, everything=everything)

    run(following())


def alert_table(occurrences: tuple[Occurrence, ...]) -> None:
    """Print occurrences, one a row."""
    table(
        ("id", "status", "alert", "severity", "about", "began", "lasted>"),
        (
            (one.id, one.status, one.alertname, one.severity, _about(one), one.starts_at, _lasted(one))
            for one in occurrences
        ),
    )


def event_table(events: tuple[Event, ...]) -> None:
    """Print what happened, one thing a row."""
    table(("at", "what", "in words"), ((one.at, one.kind, one.text) for one in events))


def _tell(found: Occurrence) -> None:
    members(
        [
            ("alert", found.id),
            ("name", found.alertname),
            ("status", f"{found.status.value}{' (inferred)' if found.inferred else ''}"),
            ("severity", found.severity),
            ("about", _about(found)),
            ("began", found.starts_at),
            ("ended", found.ends_at),
            ("lasted", _lasted(found)),
            ("told", f"{found.deliveries} times, first {cell(found.first_seen_at)}, last {cell(found.last_seen_at)}"),
            ("incident", found.incident_id),
            ("fingerprint", found.fingerprint),
            ("receiver", found.receiver),
            ("source", found.generator_url),
            *((f"label {cell(name)}", value) for name, value in sorted(found.labels.items())),
            *((f"annotation {cell(name)}", value) for name, value in sorted(found.annotations.items())),
        ]
    )
    say()


async def _follow(database: Database, output: Form, *, everything: bool) -> None:
    """Print events as they become visible; a number that appears late is told late."""
    async with database.transaction() as tx:
        progress = Progress(await timeline.newest(tx))
    while True:
        async with database.transaction() as tx:
            events = await timeline.after(tx, progress.highest, also=progress.missing)
        now = time.monotonic()
        for event in events:
            progress.read(event.id or 0, now)
            if everything or event.kind.value.startswith("alert."):
                _print(event, output)
        progress.give_up(now)
        await asyncio.sleep(INTERVAL.total_seconds())


def _print(event: Event, output: Form) -> None:
    if output is Form.JSON:
        dump_line(event_shape(event))
    else:
        say(f"{cell(event.at)}  {event.kind.value:<22} {event.alert_id or '-':<14} {event.text}")


def _about(found: Occurrence) -> str:
    subject = found.subject
    return "/".join(part for part in (subject.cluster, subject.namespace, subject.workflow) if part)


def _lasted(found: Occurrence) -> timedelta | None:
    return None if found.ends_at is None else max(found.ends_at - found.starts_at, timedelta())
