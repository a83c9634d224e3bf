"""The whole web application behind a real server, with a token for each role."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from receiver.model.incident import LabelNames
from receiver.settings import Hidden, Token
from receiver.store.database import Database, Transaction
from receiver.store.history.tiers import Cold
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.web import health
from receiver.web.app import make_app
from receiver.web.feed import Feed
from receiver.web.health import Check
from receiver.web.people import People
from receiver.web.presses import Buttons
from receiver.web.replay import Replay
from receiver.webhook.access import Access, Keys
from receiver.webhook.route import Receive, Scope, Send


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have checks of health wait for as long as a busy machine takes: how long they may is not what is tested."""
    monkeypatch.setattr(health, "PATIENCE", timedelta(seconds=60))


ROLES = ("ingest", "viewer", "operator", "admin")


async def door(scope: Scope, receive: Receive, send: Send) -> None:
    """Say which request reached the door."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{scope['method']} at the door".encode()})


@dataclass
class Site:
    """A running service and what a test may want of it."""

    client: httpx.AsyncClient
    app: Any
    feed: Feed
    woken: list[int | None] = field(default_factory=list)

    async def get(self, path: str, *, role: str | None = "viewer", **more: Any) -> httpx.Response:
        """Ask as somebody with a role, or as nobody."""
        return await self.ask("GET", path, role=role, **more)

    async def ask(self, method: str, path: str, *, role: str | None = "viewer", **more: Any) -> httpx.Response:
        """The same with another method."""
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {role}-token"} if role else {})}
        return await self.client.request(method, path, headers=headers, **more)


@asynccontextmanager
async def running(
    database: Database,
    *,
    checks: Mapping[str, Check] | None = None,
    cold: Cold | None = None,
    buttons: Buttons | None = None,
    people: People | None = None,
) -> AsyncIterator[Site]:
    """Serve on a free port of loopback for as long as it is needed."""
    woken: list[int | None] = []

    async def wake(tx: Transaction, run_id: int | None) -> None:
        assert tx.in_transaction()
        woken.append(run_id)

    tokens = [Token(name=f"{role}s", role=role, token=Hidden(f"{role}-token")) for role in ROLES]  # type: ignore[arg-type]
    queue = Queue(database)
    await queue.open()
    feed = Feed(database, interval=timedelta(milliseconds=20))
    app = make_app(
        database=database,
        access=Access(Keys(tokens), local=False),
        door=door,
        wake=wake,
        feed=feed,
        replay=Replay(database, Intake(database, queue, LabelNames()).record, lambda: datetime.now(UTC)),
        registry=CollectorRegistry(),
        checks=checks,
        cold=cold,
        buttons=buttons,
        people=people,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on"))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn raises a flag, not an event
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Site(client=client, app=app, feed=feed, woken=woken)
    finally:
        await feed.end()
        server.should_exit = True
        await task


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The service on the test's own database."""
    async with running(database) as site:
        yield site


@pytest.fixture
def serving() -> Any:
    """The service with parts of the test's own."""
    return running


@pytest.fixture
async def site_without_database(tmp_path: Any) -> AsyncIterator[Site]:
    """The service where no Postgres answers."""
    database = Database(f"host={tmp_path} dbname=nowhere connect_timeout=1", connections=2)
    await database.open()
    async with running(database) as site:
        yield site
    await database.close()
