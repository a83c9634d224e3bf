"""Two Alertmanagers that gossip, in front of two replicas on one database: each may die, and nobody notices.

As in a cluster, the Alertmanagers know one address, behind which connections go to whichever replica takes them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from .alertmanagers import Alertmanager
from .conftest import NAMESPACE, WEBHOOK, Service, Stage, complaints, free_port, until

WORKFLOWS: Final = 12
"""So many incidents, and for each as many groups of Alertmanager and messages in Slack."""

SERIES: Final = 240
"""So many alerts, over all workflows."""

TURNS: Final = 20
"""In so many parts they begin, and end."""

ROUTE: Final = {"group_by": ["workflow_name"], "group_interval": "1s", "repeat_interval": "1h"}
TOLD: Final = "select kind, count(*), count(distinct alert_id) from timeline where kind like 'alert.%' group by kind"


@dataclass(kw_only=True)
class Door:
    """One address in front of several replicas, as a Service of Kubernetes is.

    A connection goes to the replica that was given the fewest, past the dead, and stays there, for as long as it is
    used: Alertmanager keeps its connections, and would never come to a replica that was started later.
    """

    replicas: list[Service]
    connections: Counter[str] = field(default_factory=Counter)
    port: int = field(default_factory=free_port)
    open_ones: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self.pass_on, "127.0.0.1", self.port) as server:
            yield
            server.close()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for url in sorted((one.url for one in self.replicas), key=self.connections.__getitem__):
            self.connections[url] += 1
            with suppress(ConnectionError):
                inside, answers = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
                break
            self.connections[url] -= 1
        else:
            writer.close()
            return
        self.open_ones.add(writer)
        await asyncio.gather(copy(reader, answers), copy(inside, writer))
        self.open_ones.discard(writer)

    def cut(self) -> None:
        """Cut all connections, whatever is under way on them."""
        for writer in self.open_ones:
            writer.transport.abort()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until either end is gone, and then end the other."""
    with suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@dataclass(kw_only=True)
class Prometheus:
    """Posts everything that it knows to all Alertmanagers, over and over, each alert always with the same times."""

    alertmanagers: Iterable[Alertmanager]
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0

    def fire(self, number: int) -> None:
        """Let some more series fire."""
        for _ in range(number):
            series = f"series-{len(self.alerts)}"
            workflow = f"workflow-{len(self.alerts) % WORKFLOWS}"
            labels = {"alertname": "Slow", "severity": "warning", "namespace": NAMESPACE, "workflow_name": workflow}
            self.alerts[series] = {
                "labels": labels | {"series": series},
                "annotations": {"summary": "it is slow"},
                "startsAt": datetime.now(UTC).isoformat(),
            }

    def end(self, number: int) -> None:
        """Let some of those end that still fire."""
        for alert in [one for one in self.alerts.values() if "endsAt" not in one][:number]:
            alert["endsAt"] = datetime.now(UTC).isoformat()

    @asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.post())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def post(self) -> None:
        while True:
            alerts = list(self.alerts.values())
            self.posts += sum(await asyncio.gather(*(one.post(alerts) for one in self.alertmanagers)))
            await asyncio.sleep(0.3)


@asynccontextmanager
async def pair(stage: Stage, door: Door) -> AsyncIterator[tuple[Alertmanager, Alertmanager]]:
    """Start two Alertmanagers that know each other."""
    ports = free_port(), free_port()
    first, second = (
        Alertmanager(
            stage=stage,
            webhook=door.url + WEBHOOK,
            http_config={"authorization": {"credentials": stage.tokens["ingest"]}},
            route=ROUTE,
            name=f"alertmanager-{mine}",
            cluster=(
                f"--cluster.listen-address=127.0.0.1:{mine}",
                f"--cluster.advertise-address=127.0.0.1:{mine}",
                f"--cluster.peer=127.0.0.1:{other}",
                "--cluster.peer-timeout=1s",
                "--cluster.gossip-interval=50ms",
                "--cluster.reconnect-interval=1s",
            ),
        )
        for mine, other in (ports, ports[::-1])
    )
    await asyncio.gather(first.start(), second.start())
    await gossiping(first, second)
    yield first, second


async def gossiping(*alertmanagers: Alertmanager) -> None:
    for one in alertmanagers:

        async def agreed(one: Alertmanager = one) -> bool:
            return await one.peers() == len(alertmanagers)

        await until(agreed, "the Alertmanagers have found each other", within=120)


async def count(stage: Stage, query: str) -> int:
    return sum(number for (number,) in await stage.rows(query))


async def reached(stage: Stage, status: str, number: int) -> None:
    async def there() -> bool:
        found = await stage.rows("select status from alerts")
        return found.count((status,)) >= number

    await until(there, f"{number} alerts are {status}", within=180)


async def struck(
    stage: Stage, status: str, change: Callable[[int], None], strike: Callable[[], Awaitable[None]]
) -> None:
    """Bring all alerts into a status, a few at a time, and strike while they still come in."""
    fell = asyncio.Event()

    async def changing() -> None:
        for turn in range(TURNS):
            if turn == TURNS * 3 // 4:
                await fell.wait()
            change(SERIES // TURNS)
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        group.create_task(changing())
        await reached(stage, status, SERIES // 4)
        await strike()
        fell.set()
    await reached(stage, status, SERIES)


async def killed(stage: Stage, replica: Service) -> None:
    """Kill a replica once a message was answered.

    Before that nobody knows the ID of the channel, so that nobody could look whether the first message came: where its
    answer is lost it may come twice, as docs/proof.md says.
    """
    await until(lambda: stage.rows("select id from outbox where state = 'sent'"), "Slack's first answer is known")
    await replica.kill()


@pytest.mark.timeout(600)
async def test_a_pair_and_two_replicas_lose_and_double_nothing_when_one_of_each_is_killed(stage: Stage) -> None:
    replicas = await asyncio.gather(*(stage.serve(data_dir=str(stage.folder / name)) for name in ("a", "b")))
    door = Door(replicas=list(replicas))

    async with door.open(), pair(stage, door) as alertmanagers:
        prometheus = Prometheus(alertmanagers=alertmanagers)
        async with prometheus.posting():
            await struck(stage, "firing", prometheus.fire, lambda: killed(stage, replicas[0]))
            door.replicas[0] = await stage.serve(data_dir=str(stage.folder / "a"))
            door.cut()
            await struck(stage, "resolved", prometheus.end, alertmanagers[0].kill)
            await alertmanagers[0].start()
            await gossiping(*alertmanagers)
            await until(lambda: all_closed(stage), "every incident is closed", within=120)
            await until(lambda: len(stage.posts()) >= WORKFLOWS, "Slack has heard of each", within=120)
        counted = [await one.count("alertmanager_notifications_total") for one in alertmanagers]

    await nothing_lost_nor_doubled(stage, prometheus)
    deliveries = await count(stage, "select count(*) from deliveries")
    told = await count(stage, "select sum(deliveries) from alerts")
    print(  # noqa: T201
        f"{SERIES} alerts in {prometheus.posts} posts of Prometheus; Alertmanagers told of {counted} groups since they "
        f"started; {deliveries} deliveries kept, in them {told} alerts; connections {list(door.connections.values())}"
    )
    assert len(+door.connections) == 3
    assert [complaints(one.said) for one in (replicas[1], door.replicas[0])] == [[], []]


async def all_closed(stage: Stage) -> bool:
    return await stage.rows("select count(*) from incidents where state = 'closed'") == [(WORKFLOWS,)]


async def nothing_lost_nor_doubled(stage: Stage, prometheus: Prometheus) -> None:
    """Compare what was fired with what is kept and told: alerts, their begins and ends, incidents, messages."""
    kept = await stage.rows("select labels->>'series', starts_at, ends_at, status from alerts")
    sent = {
        series: (datetime.fromisoformat(alert["startsAt"]), datetime.fromisoformat(alert["endsAt"]))
        for series, alert in prometheus.alerts.items()
    }
    assert len(kept) == SERIES
    assert {series for series, _, _, _ in kept} == sent.keys()
    for series, began, ended, status in kept:
        assert (began, status) == (sent[series][0], "resolved")
        assert abs(ended - sent[series][1]) < timedelta(seconds=1), series
    told = {kind: (lines, alerts) for kind, lines, alerts in await stage.rows(TOLD)}
    assert told["alert.fired"] == told["alert.resolved"] == (SERIES, SERIES)
    assert "alert.refired" not in told
    for workflow in range(WORKFLOWS):
        assert len(stage.posts(f"workflow-{workflow}:")) == 1
