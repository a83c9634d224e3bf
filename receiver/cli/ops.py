"""`receiver ops`: reports of operations whose exit code can be trusted."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

import typer

from receiver.agent.synthetic import Place, visit
from receiver.cli.cluster import connect_cluster
from receiver.cli.forms import Form
from receiver.cli.reading import Config, Output, opened, run, settings_of
from receiver.cli.reporting import conclude
from receiver.cli.s3 import make_bucket, make_s3
from receiver.cli.wiring import connect_argo, held, make_alertmanagers, make_archivist
from receiver.clients.metrics import PrometheusClient
from receiver.clients.outward import proxy_for
from receiver.model.report import Report
from receiver.pipeline.rooms import utc_now
from receiver.settings import Settings
from receiver.settings.around import AgentPlace
from receiver.upkeep.cleanup import Cleanup
from receiver.upkeep.daily import Daily
from receiver.upkeep.leaving import Rules
from receiver.upkeep.weekly import Weekly

app = typer.Typer(
    add_completion=False,
    name="ops",
    help="Reports of operations, which end with 1 where a line is over its limit: daily, weekly.",
    no_args_is_help=True,
)


@app.callback()
def ops() -> None:
    """Reports of operations, which end with 1 where a line is over its limit."""


@app.command("daily")
def daily(*, config: Config = None, output: Output = Form.TABLE) -> None:
    """Judge each agent, stuck and busy workflows, volumes, Prometheus, Alertmanager, alerts and silences."""
    conclude(run(_daily(settings_of(config))), output)


@app.command("weekly")
def weekly(*, config: Config = None, output: Output = Form.TABLE) -> None:
    """Judge the last cleanup, what waits for the next, the newest archives, the index and the claims."""
    conclude(run(_weekly(settings_of(config))), output)


async def _weekly(settings: Settings) -> Report:
    """Open what is configured and look; what is not configured is a line that says so."""
    async with AsyncExitStack() as stack:
        s3 = make_s3(settings)
        if s3 is not None:
            stack.push_async_callback(s3.close)
        bucket = make_bucket(s3)
        cluster = held(stack, connect_cluster(settings))
        argo = held(stack, connect_argo(settings, cluster))
        database = await stack.enter_async_context(opened(settings))
        wanted = settings.kubernetes.namespaces
        namespaces = [""] if "*" in wanted else list(wanted)
        cleanup = None
        if cluster is not None and bucket is not None:
            keeper = make_archivist(settings, database, bucket, cluster, argo)
            rules = Rules(older_than=settings.cleanup.older_than, opt_in=settings.kubernetes.opt_in)
            cleanup = Cleanup(database, cluster, keeper, namespaces=namespaces, rules=rules, now=utc_now)
        look = Weekly(
            database=database,
            limits=settings.ops.weekly,
            older_than=settings.cleanup.older_than,
            cluster=cluster,
            cleanup=cleanup,
            namespaces=namespaces,
            bucket=bucket,
            prefix=settings.archive.prefix.strip("/"),
            now=utc_now,
        )
        return await look.report()


async def _daily(settings: Settings) -> Report:
    """Ask everybody who is configured; no database is needed."""
    async with AsyncExitStack() as stack:
        peers = make_alertmanagers(settings)
        for peer in peers:
            stack.push_async_callback(peer.close)

        async def agents() -> Mapping[str, str]:
            return await asyncio.to_thread(_visited, settings.agents)

        look = Daily(
            limits=settings.ops.daily,
            agents=agents,
            prometheus=held(stack, _prometheus(settings)),
            alertmanagers=peers,
            names=settings.names,
            now=utc_now,
        )
        return await look.report()


def _prometheus(settings: Settings) -> PrometheusClient | None:
    """Give the configured Prometheus; None where none is.

    Raises:
        SettingsError: Its address or token cannot be used.
    """
    wanted = settings.prometheus
    if wanted.url is None:
        return None
    token = wanted.secret.reveal() if wanted.secret.given else ""
    proxy = proxy_for(wanted.url, os.environ)
    return PrometheusClient(wanted.url, setting="prometheus.url", token=token, timeout=wanted.timeout, proxy=proxy)


def _visited(places: tuple[AgentPlace, ...]) -> dict[str, str]:
    """Ask each agent once; gives what is wrong with it, empty where nothing is."""
    if not places:
        return {}
    found = visit([Place(agent=one.type, url=f"{one.address.rstrip('/')}/health") for one in places])
    return {agent: found.failures.get(agent, "") for agent in found.names}
