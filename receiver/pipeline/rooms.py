"""What the pipeline works with; opened and wired once, by the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from receiver.clients.alertmanager import AlertmanagerClient
from receiver.clients.argo import ArgoServer
from receiver.clients.errand import Errands
from receiver.clients.kubernetes import Cluster
from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.clients.slack_webhook import SlackWebhook
from receiver.enrich.mask import Mask
from receiver.model.message import Place
from receiver.notify.pace import PACES
from receiver.notify.places import Configured
from receiver.notify.templates import Templates
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.attaching import Attacher
from receiver.remediate.language import Playbook
from receiver.settings import Digest, Kubernetes, Owner, Route, Summary
from receiver.store.database import Database
from receiver.store.evidence import Vault
from receiver.store.jobs import Queue

log = structlog.get_logger()


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def say_on_console(text: str) -> None:
    """Say on the service's own log what a place that is not configured would have been told."""
    log.info("message", action="console", text=text)


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Everything that a job may need.

    Attributes:
        cluster: None where no cluster is configured; playbooks that need one are then refused with that reason.
        playbooks: In the order in which they are asked.
        argo: Argo Server; None where it is not configured.
        errands: HTTP requests of playbooks; None where no host is allowed.
        slack: None where it is not configured; then its messages go to the console.
        slack_webhook: The incoming webhook in place of a token; None where there is none.
        slack_buttons: Whether a press of a button would be taken, so that messages have some.
        pagerduty: The same.
        owners: To whom what belongs.
        pagers: PagerDuty by the key of an owner, by the owner's name.
        templates: The own words of routes.
        change_events: Whether PagerDuty is told of remediations by change events.
        shadow: Whether messages are recorded and not sent.
        digest: What is told together and not one by one; None where nothing is.
        summary: When a day is summed up, and where; None where it is not.
        alertmanagers: Each peer that may be asked; none where none is configured.
        vault: The bucket for evidence; None where none is configured, and evidence lies in Postgres.
        evidence_prefix: Begin of the keys of evidence.
        archivist: Keeps finished workflows on S3; None where no bucket is configured, or no cluster.
        attacher: Keeps logs and events beside them; None in the same cases.
        paces: The least time between two messages to one address, by place.
        linger: How long an incident without firing alerts stays open.
        public_url: How people reach this service, for links; None where it is not said.
    """

    database: Database
    queue: Queue
    playbooks: Sequence[Playbook]
    kubernetes: Kubernetes
    routes: Sequence[Route]
    linger: timedelta
    cluster: Cluster | None = None
    argo: ArgoServer | None = None
    errands: Errands | None = None
    slack: SlackClient | None = None
    slack_channel: str = ""
    slack_webhook: SlackWebhook | None = None
    slack_buttons: bool = False
    pagerduty: PagerDutyClient | None = None
    owners: Sequence[Owner] = ()
    pagers: Mapping[str, PagerDutyClient] = field(default_factory=dict)
    change_events: bool = False
    templates: Templates = field(default_factory=lambda: Templates(()))
    shadow: bool = False
    digest: Digest | None = None
    summary: Summary | None = None
    alertmanagers: Sequence[AlertmanagerClient] = ()
    vault: Vault | None = None
    evidence_prefix: str = "evidence"
    archivist: Archivist | None = None
    attacher: Attacher | None = None
    argo_url: str | None = None
    public_url: str | None = None
    mask: Mask = field(default_factory=Mask)
    paces: Mapping[Place, timedelta] = field(default_factory=lambda: PACES)
    now: Callable[[], datetime] = utc_now
    say: Callable[[str], None] = say_on_console


def places_of(rooms: Rooms) -> Configured:
    """Say which places can be told of anything."""
    channels = [*(route.channel for route in rooms.routes), *(owner.slack for owner in rooms.owners)]
    return Configured(
        slack=rooms.slack is not None or rooms.slack_webhook is not None,
        pagerduty=rooms.pagerduty is not None,
        channel=rooms.slack_channel,
        owners=frozenset(rooms.pagers),
        named=frozenset(one for one in (*channels, *rooms.pagers) if one is not None),
        shadow=rooms.shadow,
        buttons=rooms.slack_buttons and rooms.slack is not None,
        in_place=rooms.slack_webhook is None,
        low=rooms.digest.low if rooms.digest else frozenset(),
    )
