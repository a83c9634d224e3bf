"""The alerting that is shipped, run by the real tools on this machine, in seconds instead of minutes.

Rules and routes are the shipped files; only addresses, secrets and lengths of time are put in anew.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from yarl import URL

from receiver.model.document import Document
from tests.conftest import tool

from .conftest import ROOT, Service, Stage, free_port, until

SHIPPED = ROOT / "alertmanager"
SECRETS = "/etc/alertmanager/secrets"

HASTENED = {"25200": "5", "< 900": "< 5"}
"""Lengths in the shipped expressions that a test cannot wait for: of a silent push, and of how long a failure is told.
The others may stay, since a workflow of the stand-in has been there for hours."""


def hastened_rules(path: Path) -> dict[str, Any]:
    """Read a file of rules, with the same expressions at a faster pace."""
    rules = read(path.read_text(), path)
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            # Long enough that one scrape which a busy machine misses is no outage.
            if "for" in rule:
                rule["for"] = "8s" if rule["alert"] == "ReceiverDown" else "1s"
            for length, faster in HASTENED.items():
                rule["expr"] = rule["expr"].replace(length, faster)
    return rules


def read(text: str, path: Path) -> dict[str, Any]:
    """Read a document that is an object."""
    value = Document(text, file=path.name).value
    assert isinstance(value, dict)
    return value


def routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A route of Alertmanager and all those within it."""
    yield route
    for inner in route.get("routes", ()):
        yield from routes(inner)


@dataclass(kw_only=True)
class Mailbox:
    """An SMTP server in the test's own loop, and what was delivered to it."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        content = envelope.content
        assert isinstance(content, bytes)
        self.messages.append(BytesParser(EmailMessage, policy=default).parsebytes(content))
        return "250 OK"

    def about(self, alertname: str) -> list[str]:
        """The texts of all e-mails with this alert in their subject, in order."""
        found = [one for one in self.messages if one["Subject"] == f"TaskMaster Alert: {alertname}"]
        return [str(body.get_content()) for one in found if (body := one.get_body(["plain"])) is not None]


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    """Take e-mails as a company's server would, without a password and without TLS."""
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, hostname="mail.company.com", loop=loop), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def kubelet(pod: str, *, namespace: str, claim: str) -> AsyncIterator[str]:
    """Be the figures that kubelet and cAdvisor give of one busy pod and one volume; gives the address."""
    whose = f'namespace="{namespace}",pod="{pod}",container="main"'
    volume = f'namespace="{namespace}",persistentvolumeclaim="{claim}"'

    async def show(_: web.Request) -> web.Response:
        figures = {
            f"container_cpu_usage_seconds_total{{{whose}}}": 0.4 * time.time(),
            f"container_memory_working_set_bytes{{{whose}}}": 512 * 1024**2,
            f"container_spec_cpu_quota{{{whose}}}": 100_000,
            f"container_spec_cpu_period{{{whose}}}": 100_000,
            f"container_spec_cpu_shares{{{whose}}}": 1024,
            f"kubelet_volume_stats_used_bytes{{{volume}}}": 4 * 1024**3,
            f"kubelet_volume_stats_capacity_bytes{{{volume}}}": 10 * 1024**3,
        }
        return web.Response(text="".join(f"{name} {value}\n" for name, value in figures.items()))

    app = web.Application()
    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def start_alertmanager(
    stage: Stage, receiver: str, mail: int, *, port: int, beside: Mapping[str, str]
) -> Service:
    """Run Alertmanager with the shipped file: its own routes, receivers and inhibitions.

    Args:
        stage: Its folder, its session, and PagerDuty.
        receiver: Where Receiver answers.
        mail: The port of an SMTP server.
        port: Where it is to answer.
        beside: Secrets by the name of their file.
    """
    secrets = stage.folder / "secrets"
    secrets.mkdir()
    for name, secret in beside.items():
        (secrets / name).write_text(secret, encoding="utf-8")
    path = SHIPPED / "alertmanager.yml"
    text = path.read_text().replace("http://receiver:8080", receiver).replace(SECRETS, str(secrets))
    config = read(text, path)
    config["global"] |= {
        "smtp_smarthost": f"127.0.0.1:{mail}",
        "smtp_require_tls": False,
        "pagerduty_url": f"{stage.pagerduty.url}/v2/enqueue",
    }
    for route in routes(config["route"]):
        route |= {name: "1s" for name in ("group_wait", "group_interval") if name in route}
    file = stage.folder / "alertmanager.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    started = await stage.launch(
        [
            tool("prometheus-alertmanager"),
            f"--config.file={file}",
            f"--storage.path={stage.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        port=port,
    )
    await answering(started, "/-/ready")
    return started


async def start_prometheus(stage: Stage, alertmanager: Service, targets: Mapping[str, str]) -> Service:
    """Run Prometheus with the shipped rules, hastened.

    Args:
        stage: Its folder and its session.
        alertmanager: Whom it tells.
        targets: Where it scrapes, by job; the figures of all but Receiver keep the labels that they come with.
    """
    rules = []
    for path in sorted((SHIPPED / "rules").glob("*.yml")):
        rules.append(stage.folder / f"rules-{path.stem}.json")
        rules[-1].write_text(json.dumps(hastened_rules(path)), encoding="utf-8")
    jobs = [
        {
            "job_name": job,
            "honor_labels": job != "receiver",
            "static_configs": [{"targets": [url.removeprefix("http://")]}],
        }
        for job, url in targets.items()
    ]
    told = [{"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}]
    config = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": jobs,
        "alerting": {"alertmanagers": told},
    }
    file = stage.folder / "prometheus.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    port = free_port()
    started = await stage.launch(
        [
            tool("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={stage.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--rules.alert.resend-delay=5s",
        ],
        port=port,
    )
    await answering(started, "/-/ready")
    return started


async def start_pushgateway(stage: Stage) -> Service:
    """Run a Pushgateway."""
    port = free_port()
    command = [tool("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}"]
    started = await stage.launch(command, port=port)
    await answering(started, "/-/ready")
    return started


async def answering(service: Service, path: str) -> None:
    """Wait until a service answers 200 for a path."""

    async def answers() -> bool:
        assert service.runs, service.said
        try:
            return (await service.ask(path, role=None)).status == 200
        except aiohttp.ClientError:
            return False

    await until(answers, f"{service.url}{path} answers:\n{service.said}")


async def has_result(prometheus: Service, query: str) -> bool:
    """Whether a query gives any series; one that Prometheus does not understand fails the test."""
    answer = await prometheus.ask(URL(f"{prometheus.url}/api/v1/query").with_query(query=query), role=None)
    assert answer.status == 200, f"{query}: {answer.text}"
    return bool(answer.json["data"]["result"])


def asked_by_dashboards() -> dict[str, str]:
    """Every query of every dashboard, by where it stands."""
    found = {}
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                query = target["expr"].replace("$__rate_interval", "1m")
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = query
    return found


def asked_by_rules() -> dict[str, str]:
    """What the shipped rules read, by where it stands: recorded expressions, and every figure that an alert looks at.

    An alert that does not fire is empty, so what is asked is whether there is anything that could make it fire.
    """
    found = {}
    for path in sorted((SHIPPED / "rules").glob("*.yml")):
        for group in hastened_rules(path)["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    found[f"{path.stem}: {rule['record']}"] = rule["expr"]
                    continue
                for figure in re.findall(r"\b(?:\w+:)?\w+_\w+\b(?=[{\s)\[]|$)", without_labels(rule["expr"])):
                    found[f"{path.stem}: {rule['alert']} {figure}"] = f"last_over_time({figure}[10m])"
    return found


def without_labels(expression: str) -> str:
    """An expression of PromQL without matchers, without names of labels and without functions."""
    expression = re.sub(r"\{[^}]*\}", "", expression)
    expression = re.sub(r"\b(by|on|without|ignoring|group_left)\s*\([^)]*\)", "", expression)
    return re.sub(r"\b\w+\s*\(", "(", expression)
