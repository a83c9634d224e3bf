"""The service as users run it: a process of its own, told by a file, reached over HTTP, and killed when we like.

What it talks to are the stand-ins of the sandbox, in the test's own loop, and a real Postgres.
"""

import asyncio
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import IO, Any

import aiohttp
import psycopg
import pytest
from yarl import URL

from receiver.model.document import Document
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import ApiServer
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from receiver.sandbox.slack_room import SlackMessage
from tests.integration.acceptable import objections

ROOT = Path(__file__).parents[2]
NAMESPACE = "taskmaster"
CHANNEL = "#taskmaster-alerts"
WEBHOOK = "/api/v1/webhooks/alertmanager"

PATIENCE = aiohttp.ClientTimeout(total=60)
"""With one answer; a service that does not answer at all is a failure of its own."""

PLAYBOOK = """
name: restart-stuck-workflow
mode: live
summary: Run a workflow anew that has stopped making progress
on: {matchers: ['alertname="WorkflowStuckDetection"']}
confirm: workflow.phase in ["Running", "Pending"] && !workflow.suspended && workflow.idle > duration("30m")
guards: {cooldown: 1h, attempts: {max: 2, per: 24h}}
steps:
  - workflow.terminate: {}
  - wait: {until: workflow.finished, timeout: 4m}
  - workflow.resubmit: {}
  - verify: {that: workflow.phase == "Succeeded", hold: 1s, within: WITHIN}
hold_notifications: 5m
"""


async def until(true: Callable[[], Awaitable[object] | object], what: str, *, within: float = 60) -> None:
    """Wait until something is true; how long it takes is never the point, that it comes is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        found = true()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert loop.time() < end, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass(kw_only=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(kw_only=True)
class Service:
    """One running command."""

    process: asyncio.subprocess.Process
    output: IO[bytes]
    url: str
    session: aiohttp.ClientSession
    tokens: Mapping[str, str]

    @property
    def said(self) -> str:
        """Everything that it wrote, standard error included."""
        return Path(self.output.name).read_text(encoding="utf-8", errors="replace")

    @property
    def runs(self) -> bool:
        return self.process.returncode is None

    async def ask(
        self,
        path: str | URL,
        *,
        method: str = "GET",
        role: str | None = "viewer",
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Ask for a path as the holder of a role's token; redirects are not followed."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if role in self.tokens:
            given.setdefault("Authorization", f"Bearer {self.tokens[role or '']}")
        url = self.url + path if isinstance(path, str) else path
        async with self.session.request(method, url, data=body, headers=given, allow_redirects=False) as answer:
            return Answer(status=answer.status, headers=answer.headers, text=await answer.text())

    async def deliver(self, *alerts: Firing, role: str | None = "ingest") -> Answer:
        """Post a delivery as Alertmanager does."""
        return await self.post(delivery(*alerts), role=role)

    async def post(self, body: bytes, *, role: str | None = "ingest", **headers: str) -> Answer:
        return await self.ask(WEBHOOK, method="POST", role=role, body=body, Content_Type="application/json", **headers)

    async def is_ready(self) -> bool:
        assert self.runs, f"it ended with {self.process.returncode}:\n{self.said}"
        try:
            return (await self.ask("/readyz", role=None)).status == 200
        except aiohttp.ClientError:
            return False

    async def ready(self) -> None:
        await until(self.is_ready, f"{self.url} is ready:\n{self.said}")

    async def has_its_schema(self) -> bool:
        checks = (await self.ask("/readyz", role=None)).json["checks"]
        return all(checks[name]["state"] == "ok" for name in ("database", "migrations"))

    async def migrated(self) -> None:
        """Wait until the database can be asked: a service is ready before that, since it spools."""
        await until(self.has_its_schema, f"{self.url} has its schema:\n{self.said}")

    async def kill(self) -> None:
        """End it as a power cut would, with whatever it started in its own group."""
        if self.runs:
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end, as Kubernetes does; returns its exit code. What never ends fails, however slow the machine."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended(within=90)

    async def ended(self, *, within: float = 60) -> int:
        """Wait for its end; returns its exit code."""
        try:
            async with asyncio.timeout(within):
                return await self.process.wait()
        except TimeoutError:
            pytest.fail(f"it did not end within {within:.0f} s:\n{self.said}")


@dataclass(kw_only=True)
class Stage:
    """Stand-ins for everything that the service talks to, and the commands that were started on them."""

    folder: Path
    database_url: str
    cluster: ApiServer
    argo: ArgoController
    slack: SlackStandIn
    pagerduty: PagerDutyStandIn
    session: aiohttp.ClientSession
    pycache: Path
    tokens: Mapping[str, str] = field(
        default_factory=lambda: {role: secrets.token_urlsafe(24) for role in ("ingest", "viewer", "operator", "admin")}
    )
    services: list[Service] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def settings(self, *, within: str = "4m", **more: Any) -> dict[str, Any]:
        """Write the settings of a service that knows only this stage; *more* replaces whole branches."""
        kubeconfig = self.folder / "kubeconfig.json"
        kubeconfig.write_text(json.dumps(self.cluster.kubeconfig()), encoding="utf-8")
        tokens = [{"name": f"the {role}", "role": role, "token": token} for role, token in self.tokens.items()]
        written = {
            "data_dir": str(self.folder / "data"),
            "database": {"url": self.database_url},
            "auth": {"tokens": tokens},
            "kubernetes": {"kubeconfig": str(kubeconfig), "context": "sandbox", "namespaces": ["*"], "timeout": "60s"},
            "slack": {"bot_token": self.slack.token, "api_url": self.slack.url, "channel": CHANNEL},
            "pagerduty": {"routing_key": EXAMPLE_KEY, "events_url": self.pagerduty.url},
            "incidents": {"linger": "2s"},
            "playbooks": [Document(PLAYBOOK.replace("WITHIN", within), file="the stage's playbook").value],
        }
        return {name: branch for name, branch in (written | more).items() if branch is not None}

    async def serve(self, **more: Any) -> Service:
        """Start `receiver serve` and wait until it can keep a delivery."""
        service = await self.start("serve", settings=self.settings(**more))
        await service.ready()
        return service

    async def start(self, command: str, *arguments: str, settings: Mapping[str, Any] | None = None) -> Service:
        """Start a command with these settings, on a port of its own."""
        port = free_port()
        given = list(arguments)
        if settings is not None:
            file = self.folder / f"receiver-{port}.yaml"
            told = {**settings, "server": {"port": port, **settings.get("server", {})}}
            file.write_text(json.dumps(told, indent=1), encoding="utf-8")
            given += ["--config", str(file)]
        return await self.launch([sys.executable, "-m", "receiver", command, *given], port=port)

    async def launch(self, command: list[str], *, port: int, user: str | None = None, **environment: str) -> Service:
        """Start a process in a group of its own, away from our environment and from our folder."""
        # Numbered before anything is awaited: of two that are started at once, each has a file of its own.
        output = (self.folder / f"output-{next(self.numbers)}.txt").open("xb")
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.folder,
            env=self.environment() | environment,
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        url = f"http://127.0.0.1:{port}"
        service = Service(process=process, output=output, url=url, session=self.session, tokens=self.tokens)
        self.services.append(service)
        return service

    def environment(self) -> dict[str, str]:
        names = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return kept | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(self.pycache)}

    async def end(self) -> None:
        for service in self.services:
            await service.kill()
            service.output.close()
            print(f"--- {service.url} said:\n{service.said[-20_000:]}")  # noqa: T201 - pytest shows it with a failure

    def alert(self, workflow: str, *, namespace: str = NAMESPACE, **more: str) -> Firing:
        """An alert about a workflow that is stuck, as it begins to fire."""
        labels = {"alertname": "WorkflowStuckDetection", "severity": "critical", "namespace": namespace}
        return Firing(
            labels=labels | {"workflow_name": workflow} | more,
            annotations={"summary": f"{workflow} is stuck"},
            starts_at=datetime.now(UTC) - timedelta(minutes=1),
        )

    def over(self, alert: Firing) -> Firing:
        """The same alert at its end."""
        now = datetime.now(UTC)
        return Firing(labels=alert.labels, annotations=alert.annotations, starts_at=alert.starts_at, ends_at=now)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            return await (await connection.execute(query)).fetchall()

    def posts(self, about: str = "") -> list[SlackMessage]:
        """The messages of their own in Slack's channel, replies in their threads left out."""
        found = self.slack.messages(CHANNEL)
        return [message for message in found if message.thread_ts is None and about in message.text]

    def effects(self, path: str = "") -> list[str]:
        """What was changed in the cluster from outside, in order: method, and the last part of the path."""
        changes = [one for one in self.cluster.faults.effects(path=path) if one.method != "GET"]
        return [f"{one.method} {one.path.rsplit('/', 1)[-1]}" for one in changes]


@pytest.fixture(scope="session")
def pycache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all processes that are started keep what Python has compiled: a start takes half the time."""
    own = tmp_path_factory.getbasetemp()
    # Beside it, tests that run at the same time have theirs; one that runs alone has nothing beside.
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "pycache"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's own account may pass through, which pytest's are not."""
    made = Path(tempfile.mkdtemp(prefix="receiver-acceptance-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def build_stage(folder: Path, database_url: str, pycache: Path) -> AsyncIterator[Stage]:
    """Make a stage on a database; whatever was started on it is ended for sure."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(ApiServer())
        slack = await stack.enter_async_context(SlackStandIn())
        pagerduty = await stack.enter_async_context(PagerDutyStandIn())
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=PATIENCE))
        made = Stage(
            folder=folder,
            database_url=database_url,
            cluster=cluster,
            argo=ArgoController(cluster, step=timedelta(seconds=0.2)),
            slack=slack,
            pagerduty=pagerduty,
            session=session,
            pycache=pycache,
        )
        stack.push_async_callback(made.end)
        yield made


@pytest.fixture
async def stage(folder: Path, database_url: str, pycache: Path) -> AsyncIterator[Stage]:
    """A stage on a fresh database. Argo's controller moves only when the test lets it."""
    async with build_stage(folder, database_url, pycache) as made:
        yield made
        assert objections(made.slack, made.pagerduty) == []


def complaints(said: str) -> list[str]:
    """The lines of a log that are no line of ours: traces, and what nobody meant to say."""
    return [line for line in said.splitlines() if not line.startswith(("{", "receiver "))]


def lines(services: Iterable[Service], action: str) -> list[dict[str, Any]]:
    """The lines of logs about one action."""
    written = [line for service in services for line in service.said.splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, written) if line.get("action") == action]
