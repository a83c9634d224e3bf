"""How long it takes from a delivery to the message in Slack, with a cluster that was looked at before.

Each delivery is about another stuck workflow, so that each is recorded, looked around, decided on by the shipped
playbooks and told of; the next one comes once its message is there. The yardstick is the answer to the same delivery,
which is given once it is committed. Channels take turns, so that none is asked to take more than one message a second.
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from receiver.sandbox.alertmanager import Firing, delivery
from receiver.sandbox.kubernetes import ApiServer
from receiver.sandbox.scenario import stuck_workflow
from receiver.sandbox.slack import EXAMPLE_TOKEN, SlackStandIn
from receiver.sandbox.slack_room import SlackChannel
from receiver.store.embedded import EmbeddedPostgres
from tests.bench import stand

CHANNELS: Final = 40
WARMING: Final = 10
DELIVERIES: Final = 100
NAMESPACE: Final = "argo"
_POST: Final = "chat.postMessage"
_PATIENCE: Final = 60.0


def measure(server: EmbeddedPostgres, folder: Path) -> dict[str, float]:
    """Measure; gives seconds until the answer and until the message, p50 and p99 of each."""
    return asyncio.run(_measure(stand.fresh_database(server, "bench_notify"), folder))


async def _measure(url: str, folder: Path) -> dict[str, float]:
    names = [f"team-{number}" for number in range(CHANNELS)]
    channels = [SlackChannel(id=f"C{number:08d}", name=name) for number, name in enumerate(names)]
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(ApiServer())
        slack = await stack.enter_async_context(SlackStandIn(channels=channels))
        service = stand.receiver(folder, url, **_settings(folder, cluster, slack, names))
        receiver = await asyncio.to_thread(service.__enter__)
        stack.push_async_callback(asyncio.to_thread, service.__exit__, None, None, None)
        headers = {"Authorization": f"Bearer {stand.TOKEN}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        door = f"http://127.0.0.1:{receiver.port}/api/v1/webhooks/alertmanager"
        for number in range(WARMING + DELIVERIES):
            stuck_workflow(cluster, NAMESPACE, f"etl-{number}")
        took = [await _once(session, door, slack, number) for number in range(WARMING + DELIVERIES)]
    answers, messages = zip(*took[WARMING:], strict=True)
    return {
        "answer p50": stand.percentile(answers, 50),
        "answer p99": stand.percentile(answers, 99),
        "message p50": stand.percentile(messages, 50),
        "message p99": stand.percentile(messages, 99),
    }


def _settings(folder: Path, cluster: ApiServer, slack: SlackStandIn, names: list[str]) -> dict[str, Any]:
    kubeconfig = folder / "kubeconfig.json"
    kubeconfig.write_text(json.dumps(cluster.kubeconfig()))
    context = cluster.kubeconfig()["current-context"]
    return {
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": context, "namespaces": [NAMESPACE]},
        "slack": {"bot_token": EXAMPLE_TOKEN, "api_url": slack.url},
        "routes": [{"matchers": [f'team="{name}"'], "to": ["slack"], "channel": f"#{name}"} for name in names],
    }


async def _once(session: aiohttp.ClientSession, door: str, slack: SlackStandIn, number: int) -> tuple[float, float]:
    """Deliver one alert; gives the seconds until it was answered, and until its message arrived."""
    labels = {
        "alertname": "WorkflowStuckDetection",
        "severity": "warning",
        "namespace": NAMESPACE,
        "workflow_name": f"etl-{number}",
        "team": f"team-{number % CHANNELS}",
    }
    body = delivery(Firing(labels=labels, annotations={"summary": "it is stuck"}, starts_at=datetime.now(UTC)))
    posts = len([seen for seen in slack.faults.seen(path=_POST) if b"thread_ts" not in seen.body])
    began = time.perf_counter()
    async with session.post(door, data=body, headers={"Content-Type": "application/json"}) as answer:
        answer.raise_for_status()
        await answer.read()
    answered = time.perf_counter() - began
    async with asyncio.timeout(_PATIENCE):
        wanted = len(slack.faults.seen(path=_POST))
        while len([seen for seen in slack.faults.seen(path=_POST) if b"thread_ts" not in seen.body]) <= posts:
            wanted += 1
            await slack.faults.until_seen(wanted, path=_POST)
    return answered, time.perf_counter() - began
