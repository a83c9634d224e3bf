"""A real Alertmanager on loopback, posting to whoever the test says."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.conftest import tool

PATIENCE = timedelta(seconds=60)


async def until(true: Callable[[], Awaitable[object] | object], what: str) -> None:
    """Wait until something is true; how long it takes is never the point."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE.total_seconds()
    while True:
        found = true()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert loop.time() < end, f"it never came: {what}"
        await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Alertmanager:
    """One process; it keeps its address when it is stopped and started again, and forgets its alerts as ever."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, *, webhook: str, **webhook_config: Any) -> None:
        self._folder = folder
        self._session = session
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._starts: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self._port}"
        route = {
            "receiver": "receiver",
            "group_by": ["alertname"],
            "group_wait": "50ms",
            "group_interval": "500ms",
            "repeat_interval": "4h",
        }
        posts = [{"url": webhook, "send_resolved": True, **webhook_config}]
        config = {"route": route, "receivers": [{"name": "receiver", "webhook_configs": posts}]}
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(json.dumps(config), encoding="utf-8")

    async def start(self) -> Self:
        command = [
            tool("prometheus-alertmanager"),
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'storage'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--cluster.listen-address=",
        ]
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        await until(self._answers, "Alertmanager is ready")
        return self

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def fire(self, *alerts: Mapping[str, str], over: bool = False) -> None:
        """Do as Prometheus does: post alerts that fire, or their end, always with the same start."""
        now = datetime.now(UTC).isoformat()
        ends = {"endsAt": now} if over else {}
        body = [
            {
                "labels": labels,
                "annotations": {"summary": "x\x00y"},
                "startsAt": self._starts.setdefault(str(sorted(labels.items())), now),
                "generatorURL": "http://prometheus.invalid/",
            }
            | ends
            for labels in alerts
        ]
        async with self._session.post(f"{self.url}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def silence(self, name: str, value: str) -> str:
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "somebody works on it",
        }
        async with self._session.post(f"{self.url}/api/v2/silences", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["silenceID"])

    async def end_silence(self, number: str) -> None:
        async with self._session.delete(f"{self.url}/api/v2/silence/{number}") as answer:
            assert answer.status == 200, await answer.text()

    async def _answers(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def listening(take: Callable[[bytes], Awaitable[None]]) -> AsyncIterator[str]:
    """Be the webhook that Alertmanager posts to; gives its address."""

    async def answer(request: web.Request) -> web.Response:
        await take(await request.read())
        return web.Response()

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()
