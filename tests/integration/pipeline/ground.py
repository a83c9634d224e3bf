"""What random histories are played on, one after another: a database that is emptied between them, and virtual hangs.

A database and its connections are made once and not for each history: a new connection of Postgres has everything to
learn anew, and what it learns took longer than the history.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, LiteralString, TypeVar, cast

import certifi
import psycopg
from psycopg import sql
from urllib3 import PoolManager
from urllib3.exceptions import ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from receiver.clients.argo import ArgoServer as ArgoServerClient
from receiver.clients.kubernetes import Cluster
from receiver.clients.kubernetes.connection import at
from receiver.model.duration import Duration
from receiver.model.incident import LabelNames
from receiver.pipeline.rooms import Rooms
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.argo_server import ArgoServer
from receiver.sandbox.kubernetes import ApiServer
from receiver.settings import Kubernetes
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue

from .conftest import Clock
from .fleet import IDLE, NAMESPACE, SKEW, Fleet, MortalDatabase, playbooks
from .witness import HANGS, Judge, Limits, Witness

D = TypeVar("D", bound=Database)

_TIMEOUT: Final = timedelta(seconds=20)
"""Of a request to the cluster. No history waits for it: what hangs is told by `HANGS`."""

_TABLES: Final = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = 'public' and c.relname <> 'alembic_version'
"""
_SEQUENCES: Final = "select sequencename from pg_sequences where schemaname = 'public'"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The database of two replicas and of what delivers to them, with its connections.

    Attributes:
        databases: Of the replicas.
        queues: Theirs.
        intake: Records deliveries, by connections of its own.
        outside: A connection of the test's own, in which nobody dies; each statement is a transaction.
        certificates: A file with one certificate: to read all those of the system takes longer than a step.
    """

    databases: tuple[MortalDatabase, ...]
    queues: tuple[Queue, ...]
    intake: Intake
    outside: psycopg.AsyncConnection[Any]
    certificates: Path
    _emptying: sql.Composed

    async def clear(self) -> None:
        """Let the database be as if nothing had ever happened."""
        for database in self.databases:
            database.dies_at = None
        await self.outside.execute(self._emptying)

    @asynccontextmanager
    async def fleet(self, limits: Limits, way: str) -> AsyncIterator[Fleet]:
        """Open a fleet with a cluster of its own, before which nothing had happened."""
        await self.clear()
        clock = Clock()
        async with AsyncExitStack() as stack:
            cluster = ApiServer(clock=clock)
            witness = cluster.faults = Witness(cluster.storage, clock)
            await stack.enter_async_context(cluster)
            archive = await stack.enter_async_context(ArgoServer(cluster))
            replicas = []
            for number, (database, queue) in enumerate(zip(self.databases, self.queues, strict=True)):
                client = HangingCluster(cluster.url, cluster.token)
                stack.push_async_callback(client.close)
                server = ArgoServerClient(
                    archive.origin,
                    lambda: cluster.token,
                    cluster=client,
                    timeout=_TIMEOUT,
                    ca_file=str(self.certificates),
                )
                stack.push_async_callback(server.close)
                replicas.append(
                    Rooms(
                        database=database,
                        queue=queue,
                        playbooks=playbooks(limits, way),
                        kubernetes=Kubernetes(namespaces=(NAMESPACE,)),
                        # Without routes people are told of failures only: messages took a quarter of the time.
                        routes=(),
                        paces={},
                        linger=Duration(minutes=5),
                        cluster=client,
                        argo=server,
                        now=_ahead(clock, SKEW * number),
                        say=lambda _: None,
                    )
                )
            yield Fleet(
                replicas=tuple(replicas),
                databases=self.databases,
                outside=self.outside,
                intake=self.intake,
                clock=clock,
                cluster=cluster,
                argo=ArgoController(cluster),
                archive=archive,
                witness=witness,
                judge=Judge(limits=limits, idle=IDLE, skew=SKEW + timedelta(seconds=2), archived=archive.archive.get),
            )


def _ahead(clock: Clock, by: timedelta) -> Callable[[], datetime]:
    return lambda: clock() + by


@asynccontextmanager
async def ground_on(url: str, folder: Path) -> AsyncIterator[Ground]:
    """Open the connections to a fresh database; *folder* takes a file."""
    async with AsyncExitStack() as stack:
        databases, queues = [], []
        for _ in range(2):
            databases.append(await _opened(stack, MortalDatabase(url, connections=4)))
            queues.append(await _joined(databases[-1]))
        door = await _opened(stack, Database(url, connections=2))
        outside = await psycopg.AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC")
        stack.push_async_callback(outside.close)
        certificates, end = folder / "one.pem", "-----END CERTIFICATE-----\n"
        certificates.write_text(Path(certifi.where()).read_text(encoding="utf-8").partition(end)[0] + end)
        yield Ground(
            databases=tuple(databases),
            queues=tuple(queues),
            intake=Intake(door, await _joined(door), LabelNames()),
            outside=outside,
            certificates=certificates,
            _emptying=await _emptying(outside),
        )


async def _opened(stack: AsyncExitStack, database: D) -> D:
    await database.open()
    stack.push_async_callback(database.close)
    return database


async def _joined(database: Database) -> Queue:
    queue = Queue(database)
    await queue.open()
    return queue


async def _emptying(connection: psycopg.AsyncConnection[Any]) -> sql.Composed:
    """Write the statements that empty every table: rows are deleted, since `truncate` makes every plan be made anew."""

    async def each(query: LiteralString, statement: LiteralString) -> list[sql.Composable]:
        found = await (await connection.execute(query)).fetchall()
        return [sql.SQL(statement).format(sql.Identifier(name)) for (name,) in found]

    parts = await each(_TABLES, "delete from {}")
    found = await (await connection.execute(_SEQUENCES)).fetchall()
    parts += [sql.SQL("select setval({}, 1, false)").format(sql.Literal(f'public."{name}"')) for (name,) in found]
    # Keys and triggers of append-only tables are for those who write history, not for its end.
    role = sql.SQL("set local session_replication_role = replica")
    return sql.SQL("; ").join([sql.SQL("begin"), role, *parts, sql.SQL("commit")])


class HangingCluster(Cluster):
    """A cluster seen through our client, whose timeout is over at once where an answer says that none ever comes.

    All but the waiting is as it is: the request was sent, and urllib3 gives up reading with the error it has for that.
    """

    def __init__(self, url: str, token: str) -> None:
        super().__init__(at(url, token), timeout=_TIMEOUT)
        rest = self._api.rest_client
        rest.pool_manager = cast("PoolManager", _Impatient(rest.pool_manager))


class _Impatient:
    """Connections of urllib3, as the `kubernetes` package uses them."""

    def __init__(self, pools: PoolManager) -> None:
        self._pools = pools

    def request(self, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        """Ask once."""
        answer = self._pools.request(method, url, **options)
        if HANGS in answer.headers:
            answer.release_conn()
            raise ReadTimeoutError(self._pools.connection_from_url(url), url, "Read timed out.")
        return answer

    def clear(self) -> None:
        """Close all connections."""
        self._pools.clear()
