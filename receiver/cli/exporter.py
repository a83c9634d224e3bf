"""`receiver exporter`: the metrics of workflows and their pods, for Prometheus."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from receiver.cli.cluster import connect_follower, make_fleet
from receiver.cli.front import Config, run, settings_of
from receiver.cli.listening import background, serving, take_port, until_asked_to_stop
from receiver.model.errors import SettingsError
from receiver.settings import Settings
from receiver.upkeep.figures import FleetFigures
from receiver.web.exporter import ExporterPages

app = typer.Typer()


@app.command()
def exporter(
    config: Config = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Where to answer; else exporter.host.")] = None,
    port: Annotated[int | None, typer.Option(metavar="P", help="Where to answer; else exporter.port.")] = None,
) -> None:
    """Follow the workflows of the cluster, and answer /metrics with what Prometheus is to know of each."""
    run(_export(settings_of(config), host, port))


async def _export(settings: Settings, host: str | None, port: int | None) -> None:
    wanted = settings.exporter
    chosen = replace(wanted, host=wanted.host if host is None else host, port=wanted.port if port is None else port)
    async with exporting(replace(settings, exporter=chosen)) as url:
        typer.echo(f"receiver's exporter listens on {url}", err=True)
        await until_asked_to_stop()


@asynccontextmanager
async def exporting(settings: Settings) -> AsyncIterator[str]:
    """Follow the cluster and answer while the block lasts; gives the address.

    Raises:
        SettingsError: There is no cluster to follow, or the port is taken.
    """
    async with AsyncExitStack() as stack:
        cluster = connect_follower(settings)
        if cluster is None:
            raise SettingsError("there is no cluster to follow: set kubernetes.kubeconfig and kubernetes.context")
        stack.push_async_callback(cluster.close)
        fleet, registry = make_fleet(settings, cluster), CollectorRegistry()
        if fleet is None:
            raise SettingsError("there is nothing to follow: name namespaces in exporter.namespaces, or all by ['*']")
        listener = take_port(settings.exporter.host, settings.exporter.port)
        stack.callback(listener.close)
        registry.register(FleetFigures(fleet.followed, lambda: datetime.now(UTC)))
        await stack.enter_async_context(background("fleet", fleet.follow))
        await stack.enter_async_context(serving(ExporterPages(registry, lambda: fleet.followed.complete), listener))
        yield f"http://{settings.exporter.host}:{listener.getsockname()[1]}"
