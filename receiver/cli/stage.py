"""The demo's stage: stand-ins for the cluster, Slack and PagerDuty, and settings of a service that knows only them."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from receiver.model.document import Document
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import ApiServer
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from receiver.settings import Settings

NAMESPACE: Final = "taskmaster"
CHANNEL: Final = "#taskmaster-alerts"

_PLAYBOOK: Final = """
name: restart-stuck-workflow
mode: live
summary: Run a workflow anew that has stopped making progress (the shipped one, with the demo's short times)
on: {matchers: ['alertname="WorkflowStuckDetection"'], for: 1s}
confirm: workflow.phase in ["Running", "Pending"] && !workflow.suspended && workflow.idle > duration("30m")
guards: {cooldown: 1h, attempts: {max: 2, per: 24h}}
steps:
  - workflow.terminate: {}
  - wait: {until: workflow.finished, timeout: 30s}
  - workflow.resubmit: {}
  - verify:
      that: workflow.phase == "Succeeded" || (workflow.phase == "Running" && workflow.idle < duration("4s"))
      hold: 6s
      within: 12s
hold_notifications: 1m
"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the demo plays on.

    Attributes:
        settings: Of a service that knows only the stand-ins.
        tokens: By role: `ingest` for whoever plays Alertmanager, `viewer` for whoever follows the story.
    """

    settings: Settings
    tokens: dict[str, str]
    cluster: ApiServer
    slack: SlackStandIn
    pagerduty: PagerDutyStandIn


@dataclass(frozen=True, kw_only=True)
class StandIns:
    """What stands for the world around.

    Attributes:
        written: Settings that know only them, as a document would have them; without tokens and playbooks.
    """

    written: dict[str, Any]
    cluster: ApiServer
    slack: SlackStandIn
    pagerduty: PagerDutyStandIn


@asynccontextmanager
async def build_stage(folder: Path, *, port: int) -> AsyncIterator[Stage]:
    """Start all stand-ins on loopback, and write the settings of a service that uses them.

    Args:
        folder: For the kubeconfig and for all that the service keeps.
        port: Where the service will listen.
    """
    async with open_stand_ins(folder, port=port) as around:
        tokens = {role: secrets.token_urlsafe(24) for role in ("ingest", "viewer", "admin")}
        written = around.written | {
            "auth": {"tokens": [{"name": f"demo-{role}", "role": role, "token": tokens[role]} for role in tokens]},
            "playbooks": [Document(_PLAYBOOK, file="the demo's playbook").value],
        }
        settings = Document(json.dumps(written), file="the demo's settings").decode(Settings)
        yield Stage(
            settings=settings, tokens=tokens, cluster=around.cluster, slack=around.slack, pagerduty=around.pagerduty
        )


@asynccontextmanager
async def open_stand_ins(folder: Path, *, port: int) -> AsyncIterator[StandIns]:
    """Start a cluster in which Argo's controller works, Slack and PagerDuty, all on loopback.

    Args:
        folder: For the kubeconfig and for all that a service on them keeps.
        port: Where that service will listen.
    """
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(ApiServer())
        await stack.enter_async_context(ArgoController(cluster, step=timedelta(seconds=0.5)))
        slack = await stack.enter_async_context(SlackStandIn())
        pagerduty = await stack.enter_async_context(PagerDutyStandIn())
        kubeconfig = folder / "kubeconfig.json"
        kubeconfig.write_text(json.dumps(cluster.kubeconfig()), encoding="utf-8")
        kubeconfig.chmod(0o600)
        written = {
            "data_dir": str(folder / "data"),
            "server": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
            "kubernetes": {
                "kubeconfig": str(kubeconfig),
                "context": "sandbox",
                "namespaces": [NAMESPACE],
                "timeout": "60s",  # a busy laptop is slower than a cluster
            },
            "slack": {"bot_token": slack.token, "api_url": slack.url, "channel": CHANNEL},
            "pagerduty": {"routing_key": EXAMPLE_KEY, "events_url": pagerduty.url},
            "incidents": {"linger": "3s"},
        }
        yield StandIns(written=written, cluster=cluster, slack=slack, pagerduty=pagerduty)
