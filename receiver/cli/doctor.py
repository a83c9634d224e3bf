"""`receiver check`: one line for each thing that must work, with the fix for what does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import typer

from receiver.cli.cluster import connect_cluster
from receiver.cli.forms import Form, give_line
from receiver.cli.provider import open_provider
from receiver.cli.s3 import make_s3
from receiver.cli.slack_socket import make_socket
from receiver.cli.tables import say
from receiver.cli.wiring import (
    connect_argo,
    database_url,
    make_alertmanagers,
    make_pagerduty,
    make_pagers,
    make_slack,
    make_slack_webhook,
    open_database,
)
from receiver.clients.kubernetes import Cluster
from receiver.model.duration import format_duration
from receiver.model.errors import DocumentError, ReceiverError, SpoolUnavailable
from receiver.model.remediation import Mode
from receiver.notify.templates import Templates
from receiver.remediate.language import Playbook, warnings
from receiver.remediate.loader import load_all
from receiver.remediate.rights import READING, asked, effects_of, uses
from receiver.settings import Settings, check_exposure
from receiver.store.migrate import newest_revision, revision_of
from receiver.store.spool import try_out
from receiver.web.presses import Buttons
from receiver.webhook.access import HELD, Role

_DISK: Final = timedelta(seconds=10)
"""Longest time that the disk of the spool is waited for: a delivery would not be waited for longer."""

_SLOW: Final = timedelta(milliseconds=500)
"""A disk that takes longer for one delivery makes Alertmanager wait noticeably."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one thing is: `ok`, `off` where it is not configured, `warn`, or `FAIL`."""

    mark: str
    thing: str
    text: str


async def check(settings: Settings, output: Form = Form.TABLE) -> None:
    """Look at everything and say how it is, each thing as soon as it is known; exits with 1 when something fails."""
    failed = False
    async for finding in _findings(settings):
        give_line(finding, output, partial(say, f"{finding.mark:<5}{finding.thing:<14}{finding.text}"))
        failed = failed or finding.mark == "FAIL"
    if failed:
        raise typer.Exit(1)


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    for thing, look in (("exposure", _exposure), ("tokens", _tokens)):
        yield _tried(thing, look, settings)
    for finding in (*_playbooks(settings), *_templates(settings)):
        yield finding
    things: tuple[tuple[str, Callable[[Settings], Awaitable[Finding | list[Finding]]]], ...] = (
        ("login", _login),
        ("spool", _spool),
        ("database", _database),
        ("kubernetes", _kubernetes),
        ("rights", _rights),
        ("argo", _argo),
        ("notifications", _notifications),
        ("slack", _slack),
        ("pagerduty", _pagerduty),
        ("s3", _s3),
        ("alertmanager", _alertmanager),
    )
    for thing, ask in things:
        try:
            found = await ask(settings)
            for finding in found if isinstance(found, list) else [found]:
                yield finding
        except ReceiverError as error:
            yield Finding(mark="FAIL", thing=thing, text=str(error))


def _tried(thing: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(mark="ok", thing=thing, text=look(settings))
    except ReceiverError as error:
        return Finding(mark="FAIL", thing=thing, text=str(error))


def _exposure(settings: Settings) -> str:
    check_exposure(settings)
    return f"listens on {settings.server.host}:{settings.server.port}"


def _tokens(settings: Settings) -> str:
    for token in settings.auth.tokens:
        token.secret.reveal()
    named = ", ".join(f"{token.name} ({token.role})" for token in settings.auth.tokens)
    return named or "none: only this machine may read and post"


async def _login(settings: Settings) -> Finding:
    """See that the provider at which people log in answers; only somebody who logs in shows that it knows us."""
    async with open_provider(settings) as provider:
        if provider is None or settings.auth.oidc is None:
            return Finding(mark="off", thing="login", text="auth.oidc is not set: people log in with a token")
        await provider.look()
    lets_in = ", ".join(f"{group} ({role})" for group, role in settings.auth.oidc.roles.items())
    return Finding(mark="ok", thing="login", text=f"{provider.issuer} lets in {lets_in}")


def _playbooks(settings: Settings) -> list[Finding]:
    try:
        playbooks = load_all(settings.playbooks)
    except ReceiverError as error:
        return [Finding(mark="FAIL", thing="playbooks", text=str(error))]
    found = []
    for playbook in playbooks:
        found.append(Finding(mark="ok", thing="playbook", text=f"{playbook.name} is in mode {playbook.mode.value}"))
        found += [Finding(mark="warn", thing="playbook", text=text) for text in warnings(playbook)]
    return found


def _templates(settings: Settings) -> list[Finding]:
    """Read the templates of the routes; one that is broken loses its words and no message."""
    files = [route.template for route in settings.routes if route.template is not None]
    found = []
    for file, loaded in Templates(files).read().items():
        broken = isinstance(loaded, DocumentError)
        text = f"{loaded}; until then its routes speak in the built-in words" if broken else file
        found.append(Finding(mark="FAIL" if broken else "ok", thing="template", text=text))
    return found


async def _spool(settings: Settings) -> Finding:
    """Try the disk that deliveries wait on while Postgres is away."""
    try:
        async with asyncio.timeout(_DISK.total_seconds()):
            trial = await asyncio.to_thread(try_out, Path(settings.data_dir))
    except TimeoutError as error:
        raise SpoolUnavailable(f"the disk of {settings.data_dir} took longer than {format_duration(_DISK)}") from error
    most = settings.spool.max_bytes
    text = (
        f"{trial.folder} took {format_duration(trial.took)} to write a delivery for sure; {_mib(trial.free)} are free, "
        f"spool.max_bytes is {_mib(most)}"
    )
    if trial.free + trial.used < most:
        return Finding(mark="warn", thing="spool", text=f"{text}: give it more room, or set less")
    if trial.took > _SLOW:
        return Finding(mark="warn", thing="spool", text=f"{text}: a slow disk, which every delivery would wait for")
    return Finding(mark="ok", thing="spool", text=text)


def _mib(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"


async def _database(settings: Settings) -> Finding:
    async with database_url(settings) as url, open_database(settings, url) as database:
        await database.ping()
        async with database.transaction() as transaction:
            revision = await revision_of(transaction)
    where = "configured" if settings.database.secret.given else f"embedded in {Path(settings.data_dir)}"
    if revision == newest_revision():
        return Finding(mark="ok", thing="database", text=f"{where}, revision {revision}")
    has = f"{where}, revision {revision or 'none'} of {newest_revision()}"
    text = f"{has}; `receiver migrate` or `receiver serve` brings it up to date"
    return Finding(mark="warn", thing="database", text=text)


async def _kubernetes(settings: Settings) -> Finding:
    cluster = connect_cluster(settings)
    if cluster is None:
        text = "kubernetes.kubeconfig is not set and this is no pod: history and notifications only"
        return Finding(mark="off", thing="kubernetes", text=text)
    try:
        version = await cluster.version()
    finally:
        await cluster.close()
    if not settings.kubernetes.namespaces:
        text = f"{version}; kubernetes.namespaces is empty, so playbooks may act nowhere"
        return Finding(mark="warn", thing="kubernetes", text=text)
    where = ", ".join(settings.kubernetes.namespaces)
    return Finding(mark="ok", thing="kubernetes", text=f"{version}; playbooks may act in {where}")


async def _rights(settings: Settings) -> list[Finding]:
    """Ask in each namespace for what reading needs, and for what the actions of each playbook need."""
    cluster = connect_cluster(settings)
    if cluster is None or not settings.kubernetes.namespaces:
        text = "of no namespace: kubernetes.namespaces and a cluster say where rights are needed"
        return [Finding(mark="off", thing="rights", text=text)]
    try:
        playbooks = load_all(settings.playbooks)
    except ReceiverError:
        playbooks = []  # The line of the playbooks says why; without them only reading needs rights.
    found = []
    try:
        for namespace in settings.kubernetes.namespaces:
            found += [
                await _reading(cluster, namespace),
                *[await _acting(cluster, namespace, one) for one in playbooks],
            ]
    finally:
        await cluster.close()
    lacking = [finding for finding in found if finding is not None]
    where = ", ".join(settings.kubernetes.namespaces)
    text = f"all that reading and {len(playbooks)} playbooks need is granted in {where}"
    return lacking or [Finding(mark="ok", thing="rights", text=text)]


async def _reading(cluster: Cluster, namespace: str) -> Finding | None:
    rights = await cluster.rights(_asked_of(namespace), asked(READING))
    missing = [f"{right.verb} {right.resource}" for right in rights if not right.allowed]
    if not missing:
        return None
    text = (
        f"Receiver may not {', '.join(missing)} {_spoken(namespace)}, so it sees less than it should; {_fix(namespace)}"
    )
    return Finding(mark="warn" if namespace == "*" else "FAIL", thing="rights", text=text)


async def _acting(cluster: Cluster, namespace: str, playbook: Playbook) -> Finding | None:
    needed = uses(effects_of(playbook))
    rights = await cluster.rights(_asked_of(namespace), needed)
    missing = [
        f"{right.verb} {right.resource} (for {', '.join(names)})"
        for right, names in zip(rights, needed.values(), strict=True)
        if not right.allowed
    ]
    if not missing:
        return None
    # A dry run changes nothing, and rights in single namespaces may be all that is meant by a star.
    bearable = playbook.mode is Mode.DRY_RUN or namespace == "*"
    text = (
        f"{playbook.name} ({playbook.mode.value}) may not {', '.join(missing)} {_spoken(namespace)}; {_fix(namespace)}"
    )
    return Finding(mark="warn" if bearable else "FAIL", thing="rights", text=text)


def _asked_of(namespace: str) -> str:
    return "" if namespace == "*" else namespace


def _spoken(namespace: str) -> str:
    return "in all namespaces together" if namespace == "*" else f"in {namespace}"


def _fix(namespace: str) -> str:
    if namespace == "*":
        return "`receiver playbooks rbac --namespace NAMESPACE` prints the Role for each where it is to act"
    return f"`receiver playbooks rbac --namespace {namespace}` prints the Role to apply"


async def _argo(settings: Settings) -> Finding:
    async with AsyncExitStack() as stack:
        cluster = connect_cluster(settings)
        if cluster is not None:
            stack.push_async_callback(cluster.close)
        argo = connect_argo(settings, cluster)
        if argo is None:
            text = (
                "argo.server_url is not set: nothing is retried, and steps that Argo keeps in its database stay unread"
            )
            return Finding(mark="off", thing="argo", text=text)
        stack.push_async_callback(argo.close)
        return Finding(mark="ok", thing="argo", text=f"Argo Server {await argo.version()} at {argo.url}")


async def _notifications(settings: Settings) -> Finding:
    if settings.notifications.mode == "shadow":
        text = "notifications.mode is shadow: messages are recorded in the outbox, and nothing is sent"
        return Finding(mark="warn", thing="notifications", text=text)
    for pager in make_pagers(settings).values():
        await pager.close()
    text = f"live by {len(settings.routes)} routes to {len(settings.owners)} owners; `receiver routes test` shows who"
    return Finding(mark="ok", thing="notifications", text=text)


async def _slack(settings: Settings) -> Finding:
    webhook = make_slack_webhook(settings)
    if webhook is not None:
        await webhook.close()
        text = (
            "an incoming webhook: one channel, no updates, threads or buttons; only a real message could show it works"
        )
        return Finding(mark="ok", thing="slack", text=text)
    slack = make_slack(settings)
    if slack is None:
        text = "slack.bot_token is not set: its messages go to the service's own log"
        return Finding(mark="off", thing="slack", text=text)
    try:
        identity = await slack.auth_test()
    finally:
        await slack.close()
    where = f"workspace {identity.team}, posts to {settings.slack.channel}"
    if not settings.slack.pressed:
        text = f"{where}; no buttons: neither slack.signing_secret nor slack.app_token is set"
        return Finding(mark="ok", thing="slack", text=text)
    socket = make_socket(settings)
    if socket is not None:
        await socket.address()
        where = f"{where}, takes presses over Socket Mode"
    users = Buttons(settings.slack.signing, settings.slack.users).users.values()
    may = ", ".join(user.name for user in users if Role.OPERATOR in HELD[Role(user.role)])
    if not may:
        text = f"{where}; nobody may press its buttons: name an operator in slack.users"
        return Finding(mark="warn", thing="slack", text=text)
    return Finding(mark="ok", thing="slack", text=f"{where}; its buttons may be pressed by {may}")


async def _pagerduty(settings: Settings) -> Finding:
    pagerduty = make_pagerduty(settings)
    if pagerduty is None:
        text = "pagerduty.routing_key is not set: its events go to the service's own log"
        return Finding(mark="off", thing="pagerduty", text=text)
    await pagerduty.close()
    text = "the key has the right form; only a real event could show whether PagerDuty knows it"
    return Finding(mark="ok", thing="pagerduty", text=text)


async def _s3(settings: Settings) -> Finding:
    s3 = make_s3(settings)
    if s3 is None:
        text = "archive.bucket is not set: history stays in Postgres"
        return Finding(mark="off", thing="s3", text=text)
    try:
        await s3.check()
    finally:
        await s3.close()
    wanted = settings.archive
    text = f"bucket {s3.bucket}, history below {wanted.history_prefix}/, workflows below {wanted.prefix}/"
    return Finding(mark="ok", thing="s3", text=text)


async def _alertmanager(settings: Settings) -> Finding:
    clients = make_alertmanagers(settings)
    if not clients:
        text = "alertmanager.url is not set: what it never resolves stays open here, and late firings are not checked"
        return Finding(mark="off", thing="alertmanager", text=text)
    found = []
    try:
        for client in clients:
            said = await client.status()
            found.append(f"{client.url} is {said.version}, up since {said.started_at:%Y-%m-%d %H:%M} UTC")
    finally:
        for client in clients:
            await client.close()
    return Finding(mark="ok", thing="alertmanager", text="; ".join(found))
