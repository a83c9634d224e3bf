"""`receiver alerts`: occurrences, one of them, and what happens as it happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final

import typer

from receiver.cli.filters import Alertname, Namespace, Severity, Workflow
from receiver.cli.forms import Form, give_line
from receiver.cli.reading import (
    Config,
    Cursor,
    Limit,
    ListOutput,
    Moment,
    Output,
    Own,
    Server,
    TokenFile,
    Where,
    absent,
    asking,
    elsewhere,
    moment,
    opened,
    run,
    settings_of,
)
from receiver.cli.tables import cell, clean, members, say, table
from receiver.cli.telling import Watch, Way, tell
from receiver.clients.receiver import Happening, ReceiverClient
from receiver.model.alert import AlertStatus
from receiver.model.errors import RemoteError
from receiver.model.shapes.alerts import AlertItems, AlertShape, EventItems
from receiver.model.shapes.timeline import EventShape
from receiver.model.timeline import Kind
from receiver.store.database import Database
from receiver.store.history import timeline
from receiver.store.history.alerts import AlertFilter
from receiver.store.history.tiers import TieredAlerts
from receiver.web.api.alerts import alert_items, alert_shape, event_items
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
    server: Server = None,
    token_file: TokenFile = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    status: Annotated[AlertStatus | None, typer.Option(help="Only those that fire, or those that ended.")] = None,
    alertname: Alertname = None,
    severity: Severity = None,
    namespace: Namespace = None,
    workflow: Workflow = None,
    fingerprint: Annotated[
        str | None, typer.Option(metavar="HASH", help="Only of this series: Alertmanager's hash over the labels.")
    ] = None,
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
    plain: dict[str, Any] = {
        "status": status,
        "alertname": alertname,
        "severity": severity,
        "namespace": namespace,
        "workflow": workflow,
        "fingerprint": fingerprint,
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
        "q": q,
    }

    async def here(own: Own) -> AlertItems:
        wanted = AlertFilter(labels=matchers(label), **plain)
        async with _tiered(own) as alerts:
            return alert_items(await alerts.page(wanted, limit=limit, cursor=cursor))

    async def there(service: ReceiverClient) -> AlertItems:
        return await service.alerts.page(**plain, label=label, limit=limit, cursor=cursor)

    def told(page: AlertItems) -> None:
        alert_table(page.items)
        _say_tiers(page.tiers)

    question = asking(Where(config, server, token_file), here=here, there=there)
    tell(question, Way(output=output, told=told, name=lambda one: one.id), watch=watch)


@app.command("show")
def show_alert(
    alert: Annotated[str, typer.Argument(metavar="ID", help="As `receiver alerts list` shows it.")],
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    watch: Watch = False,
) -> None:
    """Show one alert, and what happened to it, wherever both lie."""

    async def here(own: Own) -> tuple[AlertShape, EventItems] | None:
        async with _tiered(own) as alerts:
            found = await alerts.get(alert)
            told = await alerts.timeline(alert, limit=_WHOLE) if found else None
        return (alert_shape(found), event_items(told)) if found and told else None

    async def there(service: ReceiverClient) -> tuple[AlertShape, EventItems] | None:
        found = await service.alerts.get(alert)
        told = await service.alerts.timeline(alert, limit=_WHOLE) if found else None
        return (found, told) if found and told else None

    def told(found: tuple[AlertShape, EventItems]) -> None:
        shape, events = found
        _tell(shape)
        event_table(events.items)
        _say_tiers(events.tiers)

    question = asking(Where(config, server, token_file), here=here, there=there)
    way = Way(output=output, told=told, shape=lambda found: _whole(*found))
    tell(question, way, missing=absent(f"alert {alert!r}", "alerts list"), watch=watch)


@app.command("tail")
def tail(
    *,
    config: Config = None,
    server: Server = None,
    token_file: TokenFile = None,
    output: Output = Form.TABLE,
    everything: Annotated[bool, typer.Option("--all", help="Also incidents, remediations and messages.")] = False,
) -> None:
    """Print what happens to alerts as it happens, until it is ended by Ctrl-C; with -o json one line of JSON each."""
    where = Where(config, server, token_file)
    each = partial(_print, output=output, everything=everything)
    said: set[str] = set()

    def trouble(error: RemoteError) -> None:
        if str(error) not in said:
            said.add(str(error))
            typer.echo(f"receiver: nothing is heard now, it is tried again: {clean(str(error))}", err=True)

    async def following() -> None:
        if where.server is None:
            async with opened(settings_of(config)) as database:
                await _follow(database, each)
            return
        async with elsewhere(where) as service:
            async for happening in service.heard(trouble):
                said.clear()
                each(happening)

    run(following())


def alert_table(occurrences: Sequence[AlertShape]) -> None:
    """Print occurrences, one a row."""
    table(
        ("id", "status", "alert", "severity", "about", "began", "lasted>"),
        (
            (one.id, one.status, one.alertname, one.severity, _about(one), one.starts_at, _lasted(one))
            for one in occurrences
        ),
    )


def event_table(events: Sequence[EventShape]) -> None:
    """Print what happened, one thing a row."""
    table(("at", "what", "in words"), ((one.at, one.kind, one.text) for one in events))


def _tell(found: AlertShape) -> None:
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


async def _follow(database: Database, each: Callable[[EventShape], None]) -> None:
    """Hand on events as they become visible; a number that appears late is told late."""
    async with database.transaction() as tx:
        progress = Progress(await timeline.newest(tx))
    while True:
        async with database.transaction() as tx:
            events = await timeline.after(tx, progress.highest, also=progress.missing)
        now = time.monotonic()
        for event in events:
            progress.read(event.id or 0, now)
            each(event_shape(event))
        progress.give_up(now)
        await asyncio.sleep(INTERVAL.total_seconds())


def _print(event: EventShape | Happening, *, output: Form, everything: bool) -> None:
    kind = str(event.kind.value if isinstance(event.kind, Kind) else event.kind)
    if not everything and not kind.startswith("alert."):
        return
    give_line(event, output, lambda: say(_line(event, kind)))


def _line(event: EventShape | Happening, kind: str) -> str:
    return f"{cell(event.at)}  {clean(kind):<22} {clean(event.alert_id or '-'):<14} {event.text}"


@asynccontextmanager
async def _tiered(own: Own) -> AsyncIterator[TieredAlerts]:
    """Open the alerts of both tiers; the libraries for S3 and Parquet load slowly, and only where they are needed."""
    if own.settings.archive.bucket is None:
        yield TieredAlerts(own.database, None)
        return
    from receiver.cli.s3 import open_cold, open_s3  # noqa: PLC0415 - see above

    async with open_s3(own.settings) as s3, open_cold(own.settings, s3) as cold:
        yield TieredAlerts(own.database, cold)


def _whole(shape: AlertShape, told: EventItems) -> dict[str, Any]:
    return {"alert": shape, "timeline": told.items, "tiers": told.tiers}


def _say_tiers(tiers: Sequence[str]) -> None:
    if "s3" in tiers:
        say("some of it was read from S3: its month was exported, and pruned from Postgres")


def _about(found: AlertShape) -> str:
    return "/".join(part for part in (found.cluster, found.namespace, found.workflow) if part)


def _lasted(found: AlertShape) -> timedelta | None:
    return None if found.ends_at is None else max(found.ends_at - found.starts_at, timedelta())
