"""Real Alertmanagers as processes of their own: started, asked, killed."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from tests.conftest import tool

from .conftest import Service, Stage, free_port, until


@dataclass(kw_only=True)
class Alertmanager:
    """One Alertmanager; started again it has the address, the peers and the disk that it had.

    Attributes:
        webhook: Where it posts everything.
        http_config: How it shows who it is, in Alertmanager's own words.
        route: What the stage's own route is to have beside its receiver.
        cluster: Its options about the other one; none by default.
    """

    stage: Stage
    webhook: str
    http_config: dict[str, Any]
    route: dict[str, Any] = field(default_factory=lambda: {"group_by": ["..."], "group_interval": "1s"})
    cluster: tuple[str, ...] = ("--cluster.listen-address=",)
    name: str = "alertmanager"
    port: int = field(default_factory=free_port)
    process: Service | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Self:
        """Start it and wait until it answers."""
        posts = {"url": self.webhook, "send_resolved": True, "http_config": self.http_config}
        route = {"receiver": "receiver", "group_wait": "100ms", **self.route}
        config = {"route": route, "receivers": [{"name": "receiver", "webhook_configs": [posts]}]}
        file = self.stage.folder / f"{self.name}.yml"
        file.write_text(json.dumps(config), encoding="utf-8")
        command = [
            tool("prometheus-alertmanager"),
            f"--config.file={file}",
            f"--storage.path={self.stage.folder / self.name}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self.cluster,
        ]
        self.process = await self.stage.launch(command, port=self.port)
        await until(self.answers, "Alertmanager is ready")
        return self

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            await self.process.kill()

    async def answers(self) -> bool:
        assert self.process is not None
        assert self.process.runs, self.process.said
        return await self.ask("/-/ready") is not None

    async def post(self, alerts: list[dict[str, Any]]) -> bool:
        """Do as Prometheus does: post alerts; whether they were taken."""
        try:
            async with self.stage.session.post(f"{self.url}/api/v2/alerts", json=alerts) as answer:
                assert answer.status == 200, await answer.text()
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def peers(self) -> int:
        """How many gossip with each other, this one included; none before they are agreed."""
        said = await self.ask("/api/v2/status")
        cluster: dict[str, Any] = json.loads(said)["cluster"] if said else {}
        return len(cluster["peers"]) if cluster.get("status") == "ready" else 0

    async def count(self, metric: str) -> int:
        """One number of its metrics about webhooks."""
        said = await self.ask("/metrics") or ""
        return int(float(said.partition(f'{metric}{{integration="webhook"}} ')[2].partition("\n")[0] or 0))

    async def ask(self, path: str) -> str | None:
        """What it answers; None where it does not, or not with 200."""
        try:
            async with self.stage.session.get(self.url + path) as answer:
                return await answer.text() if answer.status == 200 else None
        except (aiohttp.ClientError, OSError):
            return None
