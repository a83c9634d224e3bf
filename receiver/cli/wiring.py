"""Opens what the settings name and hands it down in parts; everything is closed again in the opposite order."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from receiver.cli.cluster import connect_cluster
from receiver.clients.alertmanager import AlertmanagerClient
from receiver.clients.argo import ArgoServer
from receiver.clients.errand import Errands
from receiver.clients.kubernetes import Cluster
from receiver.clients.outward import proxy_for
from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.clients.slack_webhook import SlackWebhook
from receiver.enrich.mask import Mask
from receiver.model.errors import SettingsError
from receiver.model.redaction import Redaction
from receiver.notify.places import INCOMING_WEBHOOK
from receiver.notify.templates import Templates
from receiver.pipeline.archiving import Archivist, Bucket
from receiver.pipeline.attaching import Attacher
from receiver.pipeline.reloading import Playbooks
from receiver.pipeline.rooms import Rooms, say_on_console, utc_now
from receiver.remediate.loader import load_all
from receiver.settings import Secret, Settings
from receiver.store.database import Database
from receiver.store.embedded import EmbeddedPostgres
from receiver.store.evidence import Vault
from receiver.store.jobs import Queue


class _Closable(Protocol):
    def close(self) -> Awaitable[object]:
        """Close its connections."""


Held = TypeVar("Held", bound=_Closable | None)


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """Give the connection string: of the configured database, or of the embedded one, joined or started.

    An embedded one that dies while the block lasts is started again.
    """
    if settings.database.secret.given:
        yield settings.database.secret.reveal()
        return
    async with await EmbeddedPostgres.start(Path(settings.data_dir)) as postgres:
        tending = asyncio.create_task(postgres.tend(), name="postgres")
        try:
            yield postgres.url
        finally:
            tending.cancel()
            with suppress(asyncio.CancelledError):
                await tending


@asynccontextmanager
async def open_database(settings: Settings, url: str) -> AsyncIterator[Database]:
    """Open the pool; whether the server answers shows with the first use."""
    database = Database(url, connections=settings.database.connections)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_rooms(
    settings: Settings,
    database: Database,
    *,
    say: Callable[[str], None] = say_on_console,
    vault: Vault | None = None,
    bucket: Bucket | None = None,
) -> AsyncIterator[Rooms]:
    """Open all clients that are configured, load the playbooks, and join the queue.

    Args:
        settings: What is configured.
        database: The open database.
        say: Says what a place that is not configured would have been told.
        vault: The bucket for evidence, opened by whoever has it; None where none is configured.
        bucket: The same bucket for archives.

    Raises:
        SettingsError: A client's settings cannot be used.
        DocumentError: A playbook is refused, with file and line.
    """
    async with AsyncExitStack() as stack:
        queue = Queue(database)
        await queue.open()
        cluster = held(stack, connect_cluster(settings))
        argo = held(stack, connect_argo(settings, cluster))
        slack = held(stack, make_slack(settings))
        webhook = held(stack, make_slack_webhook(settings))
        pagerduty = held(stack, make_pagerduty(settings))
        pagers = make_pagers(settings)
        alertmanagers = make_alertmanagers(settings)
        for pager in pagers.values():
            held(stack, pager)
        for client in alertmanagers:
            held(stack, client)
        yield Rooms(
            database=database,
            queue=queue,
            playbooks=Playbooks(load_all(settings.playbooks)),
            kubernetes=settings.kubernetes,
            routes=settings.routes,
            linger=settings.incidents.linger,
            cluster=cluster,
            argo=argo,
            errands=make_errands(settings),
            slack=slack,
            slack_channel=settings.slack.channel if webhook is None else INCOMING_WEBHOOK,
            slack_webhook=webhook,
            slack_buttons=settings.slack.pressed,
            pagerduty=pagerduty,
            owners=settings.owners,
            pagers=pagers,
            change_events=settings.pagerduty.change_events,
            templates=Templates(route.template for route in settings.routes if route.template is not None),
            shadow=settings.notifications.mode == "shadow",
            digest=settings.notifications.digest,
            summary=settings.notifications.summary,
            alertmanagers=alertmanagers,
            vault=vault,
            evidence_prefix=settings.archive.evidence_prefix,
            archivist=make_archivist(settings, database, bucket, cluster, argo) if bucket and cluster else None,
            attacher=make_attacher(settings, bucket, cluster) if bucket and cluster else None,
            argo_url=settings.argo.ui_url,
            public_url=settings.server.public_url,
            mask=Mask(settings.mask),
            say=say,
        )


def held(stack: AsyncExitStack, client: Held) -> Held:
    """Have a client closed when the stack is left; None, for one that is not configured, stays None."""
    if client is not None:
        stack.push_async_callback(client.close)
    return client


def connect_argo(settings: Settings, cluster: Cluster | None) -> ArgoServer | None:
    """Give Argo Server's client, by which the cluster reads offloaded steps from now on; None where none is configured.

    Raises:
        SettingsError: The address, the token or the certificates cannot be used.
    """
    wanted = settings.argo
    if wanted.server_url is None or cluster is None:
        return None
    token = wanted.secret
    token.reveal()
    argo = ArgoServer(wanted.server_url, token.reveal, cluster=cluster, timeout=wanted.timeout, ca_file=wanted.ca_file)
    cluster.read_steps_by(argo.hydrated)
    return argo


def make_archivist(
    settings: Settings, database: Database, bucket: Bucket, cluster: Cluster | None, argo: ArgoServer | None
) -> Archivist:
    """Give whoever keeps finished workflows; without a cluster it finds, reads and verifies, but keeps none.

    Raises:
        SettingsError: A pattern of `archive.mask` is refused.
    """
    return Archivist(
        database,
        bucket,
        cluster=cluster,
        argo=argo,
        prefix=settings.archive.prefix.strip("/"),
        redaction=Redaction(settings.archive.mask),
        now=utc_now,
    )


def make_attacher(settings: Settings, bucket: Bucket, cluster: Cluster | None) -> Attacher:
    """Give whoever keeps logs and events beside archives; without a cluster it only finds and reads them.

    Raises:
        SettingsError: A pattern of `mask` or `archive.mask` is refused.
    """
    return Attacher(bucket, cluster, mask=Mask(settings.mask), redaction=Redaction(settings.archive.mask), now=utc_now)


def make_errands(settings: Settings) -> Errands | None:
    """Give the way for HTTP requests of playbooks; None where no host is allowed.

    Raises:
        SettingsError: An entry of `http_action.allow` is none.
    """
    wanted = settings.http_action
    return Errands(wanted.allow, timeout=wanted.timeout) if wanted.allow else None


def make_slack(settings: Settings) -> SlackClient | None:
    """Give Slack's client; None where no token is configured."""
    wanted = settings.slack
    if not wanted.secret.given:
        return None
    return SlackClient(
        token=wanted.secret.reveal(),
        api_url=wanted.api_url,
        timeout=wanted.timeout,
        proxy=proxy_for(wanted.api_url, os.environ),
    )


def make_slack_webhook(settings: Settings) -> SlackWebhook | None:
    """Give the incoming webhook; None where none is configured.

    Raises:
        SettingsError: Its address cannot be used.
    """
    wanted = settings.slack
    if not wanted.webhook.given:
        return None
    url = wanted.webhook.reveal()
    return SlackWebhook(url, timeout=wanted.timeout, proxy=proxy_for(url, os.environ))


def make_pagerduty(settings: Settings) -> PagerDutyClient | None:
    """Give PagerDuty's client; None where no key is configured."""
    secret = settings.pagerduty.secret
    return _pagerduty_by(secret, settings) if secret.given else None


def make_pagers(settings: Settings) -> dict[str, PagerDutyClient]:
    """Give a client of PagerDuty for each owner that has a key of its own, by the owner's name.

    Raises:
        SettingsError: Two owners have one name, or a key cannot be one.
    """
    keyed = [owner for owner in settings.owners if owner.secret.given]
    names = [owner.title for owner in keyed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(
            f"two owners are called {twice}, so that nobody could tell their keys apart: set their name"
        )
    return {owner.title: _pagerduty_by(owner.secret, settings) for owner in keyed}


def _pagerduty_by(secret: Secret, settings: Settings) -> PagerDutyClient:
    wanted = settings.pagerduty
    return PagerDutyClient(
        routing_key=secret.reveal(),
        events_url=wanted.events_url,
        timeout=wanted.timeout,
        proxy=proxy_for(wanted.events_url, os.environ),
    )


def make_alertmanagers(settings: Settings) -> tuple[AlertmanagerClient, ...]:
    """Give a client for each configured Alertmanager.

    Raises:
        SettingsError: An address or the token cannot be used.
    """
    wanted = settings.alertmanager
    token = wanted.secret.reveal() if wanted.secret.given else ""
    return tuple(
        AlertmanagerClient(url, token=token, timeout=wanted.timeout, proxy=proxy_for(url, os.environ))
        for url in wanted.urls
    )
