"""The web application, made of what it is given."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Final, cast

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import ControllerRouterHandler, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from receiver.settings import Secret
from receiver.store.database import Database
from receiver.store.evidence import Bundles
from receiver.store.history.tiers import Cold, TieredAlerts
from receiver.web import headers, problems
from receiver.web.access import OPEN, guard
from receiver.web.api import (
    alerts,
    archives,
    deadletters,
    decisions,
    incidents,
    messages,
    playbooks,
    remediations,
    requests,
    slack,
    stats,
    stream,
)
from receiver.web.api.asking import Wake
from receiver.web.console import (
    alert,
    assets,
    history,
    incident,
    lists,
    live,
    login,
    now,
    playbooks as books,
    provider,
    system,
    words,
)
from receiver.web.description import WEBHOOK_PATH, describe, schema
from receiver.web.feed import Feed
from receiver.web.health import Check, Health, healthz, readyz
from receiver.web.metrics import Exposition, metrics
from receiver.web.people import People
from receiver.web.presses import Buttons
from receiver.web.question import refuse_unknown
from receiver.web.replay import Replay
from receiver.web.session import Sessions
from receiver.webhook import route
from receiver.webhook.access import Access

BODY_LIMIT: Final = 64 * 1024
"""Bytes of what the API itself is sent: a note, or the name of a workflow. The webhook has a limit of its own."""


_CONSOLE: Final = (
    assets.asset,
    login.show_login,
    login.log_in,
    login.log_out,
    *provider.HANDLERS,
    live.live,
    now.now,
    incident.show_incident,
    alert.show_alert,
    history.history,
    *books.HANDLERS,
    *lists.HANDLERS,
    system.system,
    *words.HANDLERS,
)

DoorApp = Callable[[route.Scope, route.Receive, route.Send], Awaitable[None]]
"""The door, as `receiver.webhook.route` makes it."""


def make_app(
    *,
    database: Database,
    access: Access,
    door: DoorApp,
    wake: Wake,
    feed: Feed,
    replay: Replay,
    registry: CollectorRegistry,
    checks: Mapping[str, Check] | None = None,
    cold: Cold | None = None,
    bundles: Bundles | None = None,
    buttons: Buttons | None = None,
    people: People | None = None,
    public_url: str | None = None,
    lifespan: Sequence[AbstractAsyncContextManager[None]] = (),
) -> Litestar:
    """Make the application; nothing is opened but what is handed in already.

    Args:
        database: Where questions are answered.
        access: Who may do what.
        door: What Alertmanager's deliveries are handed to; it looks at its callers itself.
        wake: Enqueues whatever acts on requests, in the transaction that wrote one.
        feed: The stream of events. Whoever runs the server ends it when the server begins to stop, since open streams
            would hold it up; the application ends it in any case when it is done.
        replay: Parses dead letters again.
        registry: Metrics of all rooms; one application a registry.
        cold: Reads alerts of months that lie on S3 alone; None where no bucket is configured.
        bundles: Reads evidence; without it, what lies in Postgres is read.
        buttons: Whose presses in Slack count; without it, nobody's do.
        people: Those who may log in at a provider; without it, a token is needed.
        checks: What `/readyz` tells beside database and migrations, by name.
        public_url: How people reach the service; where it is `https`, browsers send a session over TLS only.
        lifespan: What lives as long as the application, entered in this order.
    """
    health = Health(database, checks or {})
    exposition = Exposition(registry, database)
    sessions = Sessions(access, public_url=public_url, people=people)
    things = {
        "database": database,
        "alerts_of_all_tiers": TieredAlerts(database, cold),
        "wake": wake,
        "buttons": buttons or Buttons(Secret(None, None, name="slack.signing_secret"), ()),
        "bundles": bundles or Bundles(database, None),
        "feed": feed,
        "replay": replay,
        "health": health,
        "exposition": exposition,
        "sessions": sessions,
    }
    given = {name: _provide(thing) for name, thing in things.items()}
    routes: list[ControllerRouterHandler] = [*_CONSOLE, healthz, readyz, metrics, _api()]
    given["description"] = _described(routes, dict(given))
    return Litestar(
        route_handlers=[*routes, schema, _mounted(door)],
        guards=[guard(access, sessions), refuse_unknown],
        exception_handlers=problems.HANDLED,
        before_send=[headers.secure],
        dependencies=given,
        lifespan=[*lifespan, _ending(feed)],
        openapi_config=None,
        request_max_body_size=BODY_LIMIT,
        logging_config=None,
        debug=False,
    )


def _api() -> Router:
    rooms = (
        alerts,
        incidents,
        playbooks,
        remediations,
        archives,
        decisions,
        messages,
        deadletters,
        requests,
        slack,
        stats,
        stream,
    )
    return Router("/api/v1", route_handlers=[room.ROUTER for room in rooms])


def _mounted(door: DoorApp) -> ASGIRouteHandler:
    @asgi(WEBHOOK_PATH, opt=OPEN, copy_scope=False)
    async def deliver(scope: Scope, receive: Receive, send: Send) -> None:
        await door(cast("route.Scope", scope), cast("route.Receive", receive), cast("route.Send", send))

    return deliver


def _described(routes: Sequence[ControllerRouterHandler], given: Mapping[str, Provide]) -> Provide:
    """Describe the API once somebody asks: it takes longer than all the rest of a start."""

    @cache
    def description() -> bytes:
        return describe(routes, given)

    return Provide(description, sync_to_thread=True)


def _provide(thing: object) -> Provide:
    return Provide(lambda: thing, sync_to_thread=False)


@asynccontextmanager
async def _ending(feed: Feed) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await feed.end()
