"""`receiver test-alert`: a test alert through the real Alertmanager, followed to its end."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeVar
from uuid import uuid4

import typer

from receiver.cli.reading import Config, Server, TokenFile, Where, elsewhere, run, settings_of
from receiver.cli.silences import Peer, alertmanager_of
from receiver.cli.tables import say
from receiver.clients.alertmanager import AlertmanagerClient, HeldAlert
from receiver.clients.metrics import PushgatewayClient
from receiver.clients.outward import proxy_for
from receiver.clients.receiver import ReceiverClient
from receiver.model.alert import AlertStatus
from receiver.model.duration import Duration
from receiver.model.errors import AlertmanagerUnreachable, ReceiverError, RemoteError, SettingsError
from receiver.model.matcher import Matcher, Operator
from receiver.model.shapes.alerts import AlertShape
from receiver.settings import Settings

T = TypeVar("T")

app = typer.Typer(add_completion=False)

JOB: Final = "test-alert"
"""Of the Pushgateway."""

WORKFLOW: Final = "test-workflow"

_PAUSE: Final = 1.0
"""Seconds between two looks."""


class Via(StrEnum):
    """How the alert comes to Alertmanager."""

    ALERTMANAGER = "alertmanager"
    """Posted there, as Prometheus does."""
    PUSHGATEWAY = "pushgateway"
    """By a pushed metric, Prometheus, and its rule TestAlert."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One test alert.

    Attributes:
        name: Its alertname.
        labels: All that identifies it.
        within: How long each step may take.
        started_at: When it began; what is older is another alert.
    """

    name: str
    labels: dict[str, str]
    within: timedelta
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def wait(self, what: str, look: Callable[[], Awaitable[T | None]], advice: str) -> T:
        """Look until there is something, and give it.

        Raises:
            ReceiverError: It did not come in time.
        """
        end = asyncio.get_running_loop().time() + self.within.total_seconds()
        trouble = ""
        while True:
            try:
                found = await look()
            except (AlertmanagerUnreachable, RemoteError) as error:
                found, trouble = None, f" ({error})"
            if found is not None:
                say(f"ok  {what}")
                return found
            if asyncio.get_running_loop().time() > end:
                length = f"{self.within.total_seconds():.0f} s"
                raise ReceiverError(f"not within {length}: {what}{trouble}. {advice}")
            await asyncio.sleep(_PAUSE)


@app.command()
def fire(
    *,
    config: Config = None,
    alertmanager: Peer = None,
    severity: Annotated[str, typer.Option(help="Its label; via the Pushgateway the rule says critical.")] = "warning",
    name: Annotated[str, typer.Option(help="TestAlert, or RoutingTest.")] = "TestAlert",
    via: Annotated[Via, typer.Option(help="Posted, or by a pushed metric through Prometheus.")] = Via.ALERTMANAGER,
    pushgateway: Annotated[str | None, typer.Option(metavar="URL", help="Else pushgateway.url.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    within: Annotated[str, typer.Option(metavar="TIME", help="How long each step may take.")] = "10m",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Fire it, and follow nothing.")] = False,
) -> None:
    """Fire a test alert, and follow it: Alertmanager, Receiver (with --server), the messages, the end."""
    try:
        length = Duration.parse(within)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--within") from error
    labels = {"alertname": name, "severity": severity, "workflow_name": WORKFLOW}
    if via is Via.ALERTMANAGER:
        labels["test_id"] = uuid4().hex[:8]
    trial = Trial(name=name, labels=labels, within=length)
    where = Where(config, server, token_file) if server else None
    if via is Via.PUSHGATEWAY:
        if name != "TestAlert":
            raise typer.BadParameter("the rule behind the Pushgateway fires TestAlert only", param_hint="--name")
        run(_pushed(trial, config, alertmanager, pushgateway, where, follow=not no_wait))
    else:
        run(_posted(trial, config, alertmanager, where, follow=not no_wait))


async def _posted(trial: Trial, config: Path | None, url: str | None, where: Where | None, *, follow: bool) -> None:
    async with alertmanager_of(config, url) as peer:
        annotations = {
            "summary": "Test alert for workflow monitoring",
            "description": "This is a test alert to verify notification routing",
        }
        started = trial.started_at
        # Should this command die, the alert ends by itself.
        longest = started + 3 * trial.within
        await peer.post(trial.labels, annotations, starts_at=started, ends_at=longest)
        say(f"ok  {peer.url} took {trial.name} ({_said(trial.labels)})")
        if not follow:
            return
        try:
            await _arrives(trial, peer, where)
        finally:
            await peer.post(trial.labels, annotations, starts_at=started, ends_at=datetime.now(UTC))
        say("ok  it is resolved")
        await _ends(trial, peer, where)


async def _pushed(
    trial: Trial, config: Path | None, url: str | None, gateway: str | None, where: Where | None, *, follow: bool
) -> None:
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(alertmanager_of(config, url))
        pushing = await stack.enter_async_context(_gateway(settings_of(config), gateway))
        await pushing.push(JOB, '# TYPE test_metric gauge\ntest_metric{severity="critical"} 1\n')
        say(f"ok  {pushing.url} took test_metric of job {JOB}")
        if not follow:
            say(f"    it fires until somebody deletes the group: curl -X DELETE {pushing.url}/metrics/job/{JOB}")
            return
        try:
            await _arrives(trial, peer, where)
        finally:
            await pushing.delete(JOB)
        say("ok  the metric is deleted, so the rule no longer holds")
        await _ends(trial, peer, where)


async def _arrives(trial: Trial, peer: AlertmanagerClient, where: Where | None) -> None:
    held = await trial.wait(
        f"Alertmanager {peer.url} has {trial.name}",
        lambda: _held(trial, peer),
        "Does Prometheus evaluate the rule, and does it know this Alertmanager?",
    )
    say(f"    {held.state.value}, for {', '.join(held.receivers) or 'no receiver'}")
    for silence in held.silenced_by:
        say(f"    silenced by {silence}: nobody is told until it ends (`receiver silences expire {silence}`)")
    if where is None:
        say("    what Receiver does with it is not followed: give --server URL")
        return
    async with elsewhere(where) as service:
        alert = await trial.wait(
            f"Receiver {where.server} has it as firing",
            lambda: _received(trial, service, AlertStatus.FIRING),
            "Is the webhook in Alertmanager's routes, and its token right? `receiver check` tries the rest.",
        )
        say(f"    alert {alert.id}, incident {alert.incident_id}: `receiver why {alert.id}`")


async def _ends(trial: Trial, peer: AlertmanagerClient, where: Where | None) -> None:
    async def gone() -> bool | None:
        return None if await _held(trial, peer) else True

    await trial.wait("Alertmanager has it no longer", gone, "Is another source firing it?")
    if where is None:
        return
    async with elsewhere(where) as service:
        alert = await trial.wait(
            f"Receiver {where.server} has it as resolved",
            lambda: _received(trial, service, AlertStatus.RESOLVED),
            "Has its route send_resolved, and a group_interval below --within?",
        )
        told = await service.outbox.page(incident=alert.incident_id)
        for message in reversed(told.items):
            end = f"{message.state.value} {message.error}".rstrip()
            say(f"    {message.place.value} {message.address}: {message.act.value}, {end}")


async def _held(trial: Trial, peer: AlertmanagerClient) -> HeldAlert | None:
    matchers = [
        Matcher(name=name, operator=Operator.EQUAL, value=trial.labels[name])
        for name in ("alertname", "test_id")
        if name in trial.labels
    ]
    found = await peer.alerts(matchers)
    return found[0] if found else None


async def _received(trial: Trial, service: ReceiverClient, status: AlertStatus) -> AlertShape | None:
    test = trial.labels.get("test_id")
    page = await service.alerts.page(
        alertname=trial.name,
        label=[f"test_id={test}"] if test else None,
        since=trial.started_at - timedelta(minutes=5),
        status=status,
    )
    return page.items[0] if page.items else None


def _gateway(settings: Settings, url: str | None) -> PushgatewayClient:
    chosen = url or settings.pushgateway.url
    if chosen is None:
        raise SettingsError("no Pushgateway is named: set pushgateway.url, or give --pushgateway URL")
    return PushgatewayClient(chosen, setting="pushgateway.url", proxy=proxy_for(chosen, os.environ))


def _said(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
