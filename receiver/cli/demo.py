"""The demo: two real incidents on stand-ins, told line by line as they happen."""

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio
from rich.console import Console
from rich.text import Text

from receiver.cli.process import running
from receiver.cli.stage import CHANNEL, NAMESPACE, Stage, build_stage
from receiver.clients.receiver import Happening, ReceiverClient
from receiver.model.errors import ReceiverError
from receiver.sandbox.alertmanager import Firing, delivery, post
from receiver.sandbox.scenario import stuck_workflow

_PATIENCE: Final = timedelta(seconds=90)
"""Longest time of one incident: its playbook needs a quarter of it."""

_AFTERWARDS: Final = timedelta(seconds=3)
"""How long nothing must happen after the end of an incident until its story is taken to be over."""

_LONGEST_LINE: Final = 220

_MARKS: Final = {
    "alert": ("🔔", "yellow"),
    "incident": ("📂", "bold"),
    "context": ("🔎", "cyan"),
    "playbook": ("⚖️ ", "magenta"),
    "run": ("▶️ ", "magenta"),
    "step": ("🔧", "blue"),
    "message": ("💬", "green"),
    "evidence": ("📦", "cyan"),
}


class StoryWentWrong(ReceiverError):
    """The demo's story did not end as it should: something in this installation does not work."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One workflow, what becomes of it, and how its story must end.

    Attributes:
        course: What the attempts at its second step do, as `receiver.sandbox.argo` reads it.
        outcome: Of the run on it.
    """

    title: str
    workflow: str
    course: str
    outcome: str
    paged: bool


CHAPTERS: Final = (
    Chapter(
        title="A workflow has been stuck for seven hours, and a restart helps. Nobody is woken.",
        workflow="rex-implements-login",
        course="hang, succeed",
        outcome="succeeded",
        paged=False,
    ),
    Chapter(
        title="Another one is stuck, and a restart does not help. Somebody is paged.",
        workflow="tess-runs-the-tests",
        course="hang",
        outcome="failed",
        paged=True,
    ),
)


async def play(*, port: int, once: bool) -> None:
    """Play all chapters; then go on serving until Ctrl-C, or with *once* end.

    Raises:
        StoryWentWrong: A chapter did not end as it should.
    """
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    with keeping() as folder:
        async with build_stage(folder, port=port) as stage, running(stage.settings) as url:
            await ready(stage, url)
            console.print(f"Receiver runs at {url}; the cluster, Slack and PagerDuty are stand-ins on this machine.\n")
            for chapter in CHAPTERS:
                await tell(console, stage, url, chapter)
            _show_end(console, stage, url)
            if not once:
                console.print("It goes on running; Ctrl-C ends it and removes all that it kept.")
                await anyio.sleep_forever()


async def ready(stage: Stage, url: str) -> None:
    """Wait until the database has its schema.

    Raises:
        StoryWentWrong: It never had.
    """
    async with ReceiverClient(url, stage.tokens["viewer"]) as client:
        with anyio.move_on_after(_PATIENCE.total_seconds()) as limit:
            while True:
                if await client.is_ready():
                    return
                await anyio.sleep(0.1)
    if limit.cancelled_caught:
        raise StoryWentWrong(f"{url} was not ready within {_PATIENCE}")


@contextmanager
def keeping() -> Iterator[Path]:
    """Give a folder for everything that the demo keeps, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="receiver-demo-"))
    try:
        if os.geteuid() == 0:
            # The embedded database runs under an account of its own, which must be able to enter.
            folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder)


async def tell(console: Console, stage: Stage, url: str, chapter: Chapter) -> None:
    """Let a workflow be stuck, alert about it through the real webhook, and follow what happens.

    Raises:
        StoryWentWrong: It did not end as it should.
    """
    console.print(Text(chapter.title, style="bold underline"))
    stuck_workflow(stage.cluster, NAMESPACE, chapter.workflow, course=chapter.course)
    began = datetime.now(UTC)
    firing = _alert(chapter, began)
    outcome = ""
    with anyio.move_on_after(_PATIENCE.total_seconds()) as limit:
        async with ReceiverClient(url, stage.tokens["viewer"]) as client, client.following() as happenings:
            await _deliver(stage, url, firing)
            async for happening in _until_closed(happenings):
                _print(console, happening, began)
                if happening.kind == "run.finished":
                    outcome = str(happening.detail.get("outcome", ""))
                    over = Firing(
                        labels=firing.labels,
                        annotations=firing.annotations,
                        starts_at=firing.starts_at,
                        ends_at=datetime.now(UTC),
                    )
                    await _deliver(stage, url, over)
    if limit.cancelled_caught:
        raise StoryWentWrong(f"the incident about {chapter.workflow} was not over within {_PATIENCE}")
    _judge(stage, chapter, outcome)
    console.print()


async def _until_closed(happenings: AsyncIterator[Happening]) -> AsyncIterator[Happening]:
    """Follow an incident until it is closed, and then until nothing more is said about it."""
    closed = False
    while True:
        with anyio.move_on_after(_AFTERWARDS.total_seconds() if closed else None) as limit:
            happening = await anext(happenings)
        if limit.cancelled_caught:
            return
        yield happening
        closed = closed or happening.kind == "incident.closed"


def _alert(chapter: Chapter, at: datetime) -> Firing:
    return Firing(
        labels={
            "alertname": "WorkflowStuckDetection",
            "severity": "critical",
            "namespace": NAMESPACE,
            "workflow_name": chapter.workflow,
            "agent": chapter.workflow.partition("-")[0],
        },
        annotations={"summary": f"Workflow {chapter.workflow} is stuck", "description": "No progress for 7h."},
        starts_at=at - timedelta(minutes=1),
    )


async def _deliver(stage: Stage, url: str, alert: Firing) -> None:
    status = await post(f"{url}/api/v1/webhooks/alertmanager", stage.tokens["ingest"], delivery(alert))
    if status != 200:  # noqa: PLR2004 - OK
        raise StoryWentWrong(f"the webhook answered {status}")


def _print(console: Console, happening: Happening, began: datetime) -> None:
    mark, style = _MARKS.get(happening.kind.partition(".")[0], ("·", ""))
    line = Text(f"{(happening.at - began).total_seconds():6.1f}s  {mark} ")
    line.append(f"{happening.kind:<17} ", style=style)
    line.append(Text(happening.text, end=""))
    line.truncate(_LONGEST_LINE, overflow="ellipsis")
    console.print(line)


def _judge(stage: Stage, chapter: Chapter, outcome: str) -> None:
    if outcome != chapter.outcome:
        raise StoryWentWrong(f"the run on {chapter.workflow} ended as {outcome or 'nothing'}, not {chapter.outcome}")
    paged = any(chapter.workflow in alert.summary for alert in stage.pagerduty.alerts)
    if paged is not chapter.paged:
        raise StoryWentWrong(f"about {chapter.workflow} somebody was {'' if paged else 'not '}paged")
    if not any(chapter.workflow in message.text for message in stage.slack.messages(CHANNEL)):
        raise StoryWentWrong(f"Slack was told nothing about {chapter.workflow}")


def _show_end(console: Console, stage: Stage, url: str) -> None:
    console.print(Text("What people saw", style="bold underline"))
    for message in stage.slack.messages(CHANNEL):
        console.print(Text(f"Slack {CHANNEL}: {message.text.splitlines()[0]}"))
    for alert in stage.pagerduty.alerts:
        console.print(Text(f"PagerDuty: {alert.summary} ({alert.status.value})"))
    token = stage.tokens["viewer"]
    console.print("\nThe console, logged in as admin of the demo:")
    console.print(f"  {url}/login#{stage.tokens['admin']}", soft_wrap=True)
    console.print("\nWhere to look (the token may read, nothing else):")
    console.print(f"  curl -H 'Authorization: Bearer {token}' {url}/api/v1/incidents", soft_wrap=True)
    console.print(f"  curl -H 'Authorization: Bearer {token}' {url}/api/v1/remediations", soft_wrap=True)
    console.print(f"  API description: {url}/schema\n")
