"""The service as a process: the door and the pages, the worker behind them, and how both begin and end."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
import typer
from litestar import Litestar
from prometheus_client import CollectorRegistry

from receiver.cli.cluster import make_fleet
from receiver.cli.entrance import Entrance, open_entrance
from receiver.cli.figures import show_work
from receiver.cli.hatch import hatch
from receiver.cli.listening import background, listening, serving, take_port, until_asked_to_stop
from receiver.cli.provider import people_of
from receiver.cli.s3 import make_bucket, open_cold, open_s3
from receiver.cli.slack_socket import socket_of
from receiver.cli.tracing import keep_traced
from receiver.cli.waking import waking
from receiver.cli.watch import keep_watch, look_at_peers
from receiver.cli.wiring import database_url, open_database, open_rooms
from receiver.model.errors import SettingsError, StoreError
from receiver.pipeline.acting import means_of
from receiver.pipeline.labour import Labour
from receiver.pipeline.reloading import Playbooks, Reloading
from receiver.pipeline.rooms import Rooms, say_on_console
from receiver.remediate.rights import missing
from receiver.settings import Hidden, Settings, Token, check_exposure
from receiver.store import catalogue
from receiver.store.evidence import Bundles
from receiver.store.history.tiers import Cold
from receiver.store.migrate import is_behind, migrate as migrate_database, revision_of
from receiver.upkeep.calendar import keep_calendar
from receiver.upkeep.deadletters import LetterBound
from receiver.upkeep.figures import FleetFigures
from receiver.upkeep.fleet import Fleet
from receiver.upkeep.retention import keep_retention
from receiver.upkeep.rollup import keep_counted
from receiver.web.app import make_app
from receiver.web.aside import make_aside
from receiver.web.description import WEBHOOK_PATH
from receiver.web.feed import Feed
from receiver.web.health import SPOOL, Check, Condition, State
from receiver.web.people import People
from receiver.web.presses import Buttons
from receiver.web.replay import Replay
from receiver.webhook.access import Access, Keys
from receiver.webhook.route import Door

log = structlog.get_logger()

_MIGRATION_PAUSE: Final = timedelta(seconds=2)


async def serve(settings: Settings, *, host: str | None, port: int | None) -> None:
    """Run the whole service until it is asked to stop."""
    settings = listening(settings, host, port)
    async with running(settings) as url:
        typer.echo(f"receiver listens on {url}", err=True)
        await until_asked_to_stop()


async def work(settings: Settings, *, host: str | None, port: int | None) -> None:
    """Run the worker alone until it is asked to stop; the database must be one that others reach too.

    With a port it answers there how it is; without one it does not listen at all.
    """
    if not settings.database.secret.given:
        raise SettingsError("`receiver worker` needs database.url: the embedded database belongs to one machine")
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_url(settings))
        database = await stack.enter_async_context(open_database(settings, url))
        s3 = await stack.enter_async_context(open_s3(settings))
        rooms = await stack.enter_async_context(open_rooms(settings, database, vault=s3, bucket=make_bucket(s3)))
        labour, reloading = Labour(rooms), _reloading(settings, rooms)
        if port is not None:
            own = listening(settings, host, port).server
            listener = take_port(own.host, own.port)
            stack.callback(listener.close)
            registry = CollectorRegistry()
            show_work(registry, labour, reloading)
            app = make_aside(database=database, registry=registry, checks=_checks(rooms, labour, None, reloading))
            await stack.enter_async_context(serving(app, listener))
        await stack.enter_async_context(background("worker", _behind_the_door(settings, url, rooms, labour, reloading)))
        await until_asked_to_stop()


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema, and say which it has now."""
    async with database_url(settings) as url:
        typer.echo(f"the database has revision {await migrate_database(url)}")


@asynccontextmanager
async def running(settings: Settings, *, say: Callable[[str], None] = say_on_console) -> AsyncIterator[str]:
    """Run the whole service while the block lasts; gives the address at which it answers.

    Raises:
        SettingsError: It would listen unguarded beyond this machine, its port is taken, or a setting cannot be used.
        DocumentError: A playbook is refused.
    """
    check_exposure(settings)
    listener = take_port(settings.server.host, settings.server.port)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        url = await stack.enter_async_context(database_url(settings))
        database = await stack.enter_async_context(open_database(settings, url))
        s3 = await stack.enter_async_context(open_s3(settings))
        opening = open_rooms(settings, database, say=say, vault=s3, bucket=make_bucket(s3))
        rooms = await stack.enter_async_context(opening)
        labour, reloading = Labour(rooms), _reloading(settings, rooms)
        entrance = await stack.enter_async_context(open_entrance(settings, rooms))
        labour.give_way(entrance.crowded)
        show_work(entrance.registry, labour, reloading)
        feed = Feed(database)
        cold = await stack.enter_async_context(open_cold(settings, s3))
        pressing = await stack.enter_async_context(socket_of(settings, rooms, labour))
        people = await stack.enter_async_context(people_of(settings))
        checks = {**_checks(rooms, labour, cold, reloading), **pressing}
        access = _access(settings)
        door = _door(settings, rooms, entrance, access)
        app = _app(settings, rooms, entrance, feed, access=access, door=door, cold=cold, people=people, checks=checks)
        drain = entrance.drain
        await stack.enter_async_context(background("drain", lambda: labour.keep_going("drain", drain.step)))
        await stack.enter_async_context(background("worker", _behind_the_door(settings, url, rooms, labour, reloading)))
        letters = LetterBound(
            rooms.database,
            most=settings.deadletters.most,
            settled_for=settings.retention.webhooks,
            registry=entrance.registry,
            now=rooms.now,
        )
        await stack.enter_async_context(background("deadletters", letters.keep))
        fleet = _fleet(settings, rooms)
        if fleet is not None:
            entrance.registry.register(FleetFigures(fleet.followed, rooms.now))
            await stack.enter_async_context(background("fleet", lambda: labour.keep_going("fleet", fleet.follow)))
        protocol = hatch(door, WEBHOOK_PATH)
        await stack.enter_async_context(serving(app, listener, feed.end, protocol=protocol))
        yield f"http://{settings.server.host}:{listener.getsockname()[1]}"


def _fleet(settings: Settings, rooms: Rooms) -> Fleet | None:
    """Give whoever follows the cluster for metrics; None where an exporter of its own does, or nothing is followed."""
    within = settings.exporter.within_serve(embedded=not settings.database.secret.given)
    return make_fleet(settings, rooms.cluster) if within and rooms.cluster is not None else None


def _door(settings: Settings, rooms: Rooms, entrance: Entrance, access: Access) -> Door:
    return Door(
        access=access,
        body_limit=settings.server.body_limit,
        record=entrance.reception.record,
        keep=entrance.reception.keep,
        metrics=entrance.counts,
        now=rooms.now,
    )


def _app(
    settings: Settings,
    rooms: Rooms,
    entrance: Entrance,
    feed: Feed,
    *,
    access: Access,
    door: Door,
    cold: Cold | None,
    people: People | None,
    checks: Mapping[str, Check],
) -> Litestar:
    return make_app(
        database=rooms.database,
        access=access,
        door=door,
        wake=waking(rooms.queue, rooms.now),
        feed=feed,
        bundles=Bundles(rooms.database, rooms.vault),
        replay=Replay(rooms.database, entrance.reception.record, rooms.now),
        registry=entrance.registry,
        cold=cold,
        buttons=Buttons(settings.slack.signing, settings.slack.users),
        people=people,
        public_url=settings.server.public_url,
        checks={SPOOL: entrance.look, **checks},
    )


def _access(settings: Settings) -> Access:
    """Make the rule of the doors; without configured tokens, one for the admin is made up and told once."""
    if settings.auth.tokens:
        return Access(Keys(settings.auth.tokens), local=False)
    token = secrets.token_urlsafe(24)
    typer.echo("no tokens are configured, so only this machine may read and post deliveries", err=True)
    address = settings.server.public_url or f"http://{settings.server.host}:{settings.server.port}"
    typer.echo(f"for everything else, log in as the admin of this run: {address.rstrip('/')}/login#{token}", err=True)
    typer.echo("what follows # is the token, for the API and the command line too", err=True)
    return Access(Keys((Token(name="admin of this run", role="admin", token=Hidden(token)),)), local=True)


def _checks(rooms: Rooms, labour: Labour, cold: Cold | None, reloading: Reloading | None) -> dict[str, Check]:
    """Say what `/readyz` tells beside database and spool; none of it decides about readiness."""

    async def worker() -> Condition:
        return Condition(state=State.DEGRADED if labour.trouble else State.OK, text=labour.trouble)

    async def playbooks() -> Condition:
        if reloading is not None and reloading.trouble:
            text = (
                "the last change to a playbook is refused and the old ones are in use; the log says where it is wrong"
            )
            return Condition(state=State.DEGRADED, text=text)
        return Condition(state=State.OK, text=f"{len(rooms.playbooks)} loaded")

    async def kubernetes() -> Condition:
        if rooms.cluster is None:
            return Condition(state=State.DISABLED, text="kubernetes.kubeconfig is not set, and this is no pod")
        return Condition(state=State.OK, text=await rooms.cluster.version())

    async def notifications() -> Condition:
        if rooms.shadow:
            text = "notifications.mode is shadow: messages are recorded, and nothing is sent"
            return Condition(state=State.DISABLED, text=text)
        return Condition(state=State.OK)

    def configured(there: object, setting: str) -> Check:
        async def look() -> Condition:
            return Condition(state=State.OK) if there else Condition(state=State.DISABLED, text=f"{setting} is not set")

        return look

    return {
        "worker": worker,
        "playbooks": playbooks,
        "kubernetes": kubernetes,
        "notifications": notifications,
        "slack": configured(rooms.slack or rooms.slack_webhook, "slack.bot_token"),
        "pagerduty": configured(rooms.pagerduty, "pagerduty.routing_key"),
        "alertmanager": lambda: look_at_peers(rooms),
        "s3": configured(cold, "archive.bucket"),
    }


def _behind_the_door(
    settings: Settings, url: str, rooms: Rooms, labour: Labour, reloading: Reloading | None
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Wait for the schema, then do all the work that no request waits for."""

    async def begin() -> None:
        while True:
            if await _prepared(settings, url, rooms):
                break
            await asyncio.sleep(_MIGRATION_PAUSE.total_seconds())
        async with asyncio.TaskGroup() as group:
            group.create_task(labour.run())
            if reloading is not None:
                group.create_task(labour.keep_going("playbooks", reloading.keep))
            group.create_task(keep_calendar(rooms.database, rooms.now))
            group.create_task(keep_retention(rooms.database, settings.retention, rooms.now))
            group.create_task(labour.keep_going("watch", lambda: keep_watch(settings, rooms)))
            group.create_task(keep_counted(rooms.database, rooms.now))
            group.create_task(keep_traced(settings, rooms))

    return begin


async def _prepared(settings: Settings, url: str, rooms: Rooms) -> bool:
    """Bring the schema to the newest version, or see that a Job has, and write the catalogue of playbooks."""
    try:
        if settings.database.migrate:
            await migrate_database(url)
        async with rooms.database.transaction() as transaction:
            revision = await revision_of(transaction)
            if revision is None or await asyncio.to_thread(is_behind, revision):
                log.warning("schema", action="schema_awaited", has=revision, hint="run `receiver migrate`")
                return False
            await catalogue.replace(transaction, _listed(rooms), rooms.now())
    except StoreError as error:
        log.warning("schema", action="schema_not_ready", error=str(error))
        return False
    return True


async def _make_known(rooms: Rooms) -> None:
    """Write the catalogue of playbooks anew, after they were read again."""
    async with rooms.database.transaction() as transaction:
        await catalogue.replace(transaction, _listed(rooms), rooms.now())


def _reloading(settings: Settings, rooms: Rooms) -> Reloading | None:
    """Give what reads a folder of playbooks again; None where they come from elsewhere."""
    folder = settings.playbooks
    if not isinstance(folder, str) or not isinstance(rooms.playbooks, Playbooks):
        return None
    return Reloading(Path(folder), rooms.playbooks, lambda: _make_known(rooms))


def _listed(rooms: Rooms) -> list[catalogue.Listed]:
    means = means_of(rooms)
    return [
        catalogue.Listed(
            name=playbook.name,
            version=playbook.version,
            mode=playbook.mode.value,
            summary=playbook.summary,
            text=playbook.text,
            disabled=missing(playbook, means),
        )
        for playbook in rooms.playbooks
    ]
