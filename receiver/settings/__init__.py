"""One typed tree of settings. Read once, by the command line, and handed down in parts.

Here belongs what somebody may want to set, and nothing that is done with it; every room above may come in.

Each field says its unit and why its default is what it is. A secret `x` has a sibling `x_file`, which is read again
whenever the file changes; neither is ever printed. Importing this module reads nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from receiver.model.document import Document, decode
from receiver.model.duration import Duration
from receiver.model.errors import DocumentError, SettingsError
from receiver.model.incident import LabelNames
from receiver.model.matcher import Matcher
from receiver.model.remediation import Mode
from receiver.settings.acting import Argo, HttpAction
from receiver.settings.around import AgentPlace, Prometheus, Pushgateway, Tracing
from receiver.settings.asking import Alertmanager, Watchdog
from receiver.settings.entering import Auth, Token
from receiver.settings.exporting import Exporter
from receiver.settings.part import Hidden, Part, Secret
from receiver.settings.telling import Digest, Notifications, Owner, Route, SlackUser, Summary
from receiver.settings.upkeep import Cleanup, Ops

__all__ = ["Digest", "Hidden", "Notifications", "Owner", "Route", "Secret", "SlackUser", "Summary", "Token"]

ENVIRONMENT_PREFIX: Final = "RECEIVER_"


class Database(Part, frozen=True):
    """Where everything is kept."""

    url: Hidden | None = None
    """`postgresql://...` of Postgres 15 or newer; without it an embedded Postgres runs in `data_dir`."""
    url_file: str | None = None
    migrate: bool = True
    """Whether `serve` brings the schema to the newest version; false where a Job does it."""
    connections: int = 12
    """Most connections of one process: eight jobs at once, the door, the pages and the listener."""

    @property
    def secret(self) -> Secret:
        """The connection string."""
        return Secret(self.url, self.url_file, name="database.url")


class Server(Part, frozen=True):
    """Where the service listens."""

    host: str = "127.0.0.1"
    """Loopback unless tokens are configured: an open door to the cluster is never a default."""
    port: int = 8080
    """One that an ordinary user may take."""
    public_url: str | None = None
    """How people reach it, for links in messages."""
    body_limit: int = 16 * 1024 * 1024
    """Bytes of one delivery. A thousand alerts are 0.6 MB; a body over the limit is 413, which is not tried again."""


class Kubernetes(Part, frozen=True):
    """The cluster whose workflows are looked after."""

    kubeconfig: str | None = None
    """A kubeconfig file; null means the in-cluster account only, never the ambient file of whoever starts it."""
    context: str | None = None
    """Named explicitly whenever a kubeconfig is: the current context is not a decision."""
    namespaces: tuple[str, ...] = ()
    """Where playbooks may act; `["*"]` means all. Empty means none: nothing is touched by default."""
    opt_in: bool = False
    """Whether a workflow must agree, by its label `receiver/remediate: "true"`, before a playbook may act on it."""
    timeout: Duration = Duration(seconds=10)
    """Of one request. A frozen API server answers nothing for ever."""

    def allows(self, namespace: str) -> bool:
        """Answer whether playbooks may act in a namespace."""
        return "*" in self.namespaces or namespace in self.namespaces


class WorkflowLabels(Part, frozen=True):
    """Which labels of an alert mean what; the first that is there counts."""

    cluster: tuple[str, ...] = ("cluster",)
    """Which cluster it is about, where several alert here."""
    workflow: tuple[str, ...] = ("workflow_name", "workflow", "name")
    """The name of the workflow: the exporter's own label first, then what other rules use."""
    namespace: tuple[str, ...] = ("namespace",)
    """Where the workflow or the agent lives."""
    agent: tuple[str, ...] = ("agent_type", "agent")
    """The type of the agent, such as `rex`."""

    @property
    def names(self) -> LabelNames:
        """The same as the model's noun."""
        return LabelNames(cluster=self.cluster, namespace=self.namespace, workflow=self.workflow, agent=self.agent)


class Slack(Part, frozen=True):
    """Where people talk."""

    bot_token: Hidden | None = None
    """Token of an app's bot; it needs `chat:write`. Without it or `webhook_url`, what would be said goes to the log."""
    bot_token_file: str | None = None
    webhook_url: Hidden | None = None
    """An incoming webhook in place of a bot token, not beside one: it posts to its one channel, changes nothing and has
    neither threads nor buttons."""
    webhook_url_file: str | None = None
    api_url: str = "https://slack.com/api/"
    """Another one only for a proxy or a stand-in."""
    channel: str = "#taskmaster-alerts"
    """Where whatever no owner and no route leads elsewhere is told."""
    timeout: Duration = Duration(seconds=30)
    """Of one request; what went unanswered is tried again later."""
    signing_secret: Hidden | None = None
    """By which presses of buttons are known to come from Slack; without it, messages have no buttons."""
    signing_secret_file: str | None = None
    app_token: Hidden | None = None
    """App-level token for Socket Mode: presses come over a connection that we open, where Slack cannot reach us."""
    app_token_file: str | None = None
    users: tuple[SlackUser, ...] = ()
    """Who may press them; anybody else is told that he may not."""

    def __post_init__(self) -> None:
        """Refuse two ways to one place: nobody could tell which of them a message went."""
        if self.secret.given and self.webhook.given:
            raise ValueError("slack has both bot_token and webhook_url; keep the token, which can do more")

    @property
    def secret(self) -> Secret:
        """The bot token."""
        return Secret(self.bot_token, self.bot_token_file, name="slack.bot_token")

    @property
    def webhook(self) -> Secret:
        """The address of the incoming webhook."""
        return Secret(self.webhook_url, self.webhook_url_file, name="slack.webhook_url")

    @property
    def socket(self) -> Secret:
        """The app-level token."""
        return Secret(self.app_token, self.app_token_file, name="slack.app_token")

    @property
    def pressed(self) -> bool:
        """Whether presses of buttons are taken, over either way."""
        return self.signing.given or self.socket.given

    @property
    def signing(self) -> Secret:
        """The signing secret."""
        return Secret(self.signing_secret, self.signing_secret_file, name="slack.signing_secret")


class PagerDuty(Part, frozen=True):
    """Where people are woken."""

    routing_key: Hidden | None = None
    """Integration key of a service with Events API v2; without it nobody is woken."""
    routing_key_file: str | None = None
    events_url: str = "https://events.pagerduty.com"
    """With or without `/v2/enqueue`; another one for the EU region, a proxy or a stand-in."""
    timeout: Duration = Duration(seconds=30)
    """Of one request; what went unanswered is tried again later."""
    change_events: bool = False
    """Whether each remediation that acted is told as a change event, beside the pages and waking nobody. Keys of
    rulesets, which begin with R, take none."""

    @property
    def secret(self) -> Secret:
        """The integration key."""
        return Secret(self.routing_key, self.routing_key_file, name="pagerduty.routing_key")


class PlaybookMode(Part, frozen=True):
    """How far one shipped playbook may go here; going live is one word."""

    mode: Mode
    """`dry_run` decides and records; `propose` asks a person each time; `live` acts."""


class Incidents(Part, frozen=True):
    """How alerts become stories."""

    linger: Duration = Duration(minutes=5)
    """An incident whose alerts are resolved stays open this long, so that flapping is one story."""
    ended_with_workflow: tuple[str, ...] = ("WorkflowStuckDetection", "WorkflowPodStuck", "WorkflowSuspendedTooLong")
    """Alerts that cannot be true of a finished workflow: they are taken for over when theirs has finished."""


class Spool(Part, frozen=True):
    """Where deliveries wait on the local disk while Postgres is away."""

    max_bytes: int = 1024 * 1024 * 1024
    """Bytes on disk; full means 503. A thousand alerts are 0.6 MB, so this holds a million and a half of them: hours of
    a bad night, and little enough for the smallest volume that one would give a service."""


class DeadLetters(Part, frozen=True):
    """Bodies that could not be understood."""

    most: Annotated[int, msgspec.Meta(ge=1)] = 2_000
    """How many are kept: enough to see what a sender does wrong all night. Those that were replayed or discarded go
    first, the oldest first; then the oldest of all, which is counted and logged as an error."""


class Archive(Part, frozen=True):
    """The S3 bucket for what leaves Postgres. Credentials come by boto3's own chain: environment, profile, pod."""

    bucket: str | None = None
    """Without one, nothing is archived or exported, and history and evidence stay in Postgres."""
    region: str | None = None
    """Null means what boto3 finds in its own configuration."""
    endpoint_url: str | None = None
    """Of a store that is not Amazon's."""
    prefix: str = "workflow-archives"
    """Begin of the keys of archived workflows, without a slash at its end."""
    mask: tuple[str, ...] = ()
    """Regular expressions of what is masked in archived workflows, each repetition with an upper bound. None of them,
    since what is masked cannot be restored: access to the bucket is what protects it."""
    history_prefix: str = "history"
    """Begin of the keys of exported history."""
    evidence_prefix: str = "evidence"
    """Begin of the keys of what is kept before a playbook destroys something."""


class Retention(Part, frozen=True):
    """How long things are kept in Postgres."""

    webhooks: Duration = Duration(days=7)
    """Raw deliveries: long enough to look into what was misunderstood last week. At least a day."""
    history: Duration = Duration(days=400)
    """Alerts and timelines: a year can be compared with the one before. Then they go, once on S3. At least a day.

    What was found, decided, done and told about an incident goes after them.
    """
    evidence: Duration = Duration(days=90)
    """Evidence that lies in Postgres, and results of backtests: a quarter can be looked into. At least a day.

    A bundle holds a workflow's specification whole, whatever its author wrote there, so it stays no longer than that.
    """
    discard: bool = False
    """Whether history goes by age alone, without any export."""

    def __post_init__(self) -> None:
        """Refuse what would drop what is still being written."""
        for name, length in (("webhooks", self.webhooks), ("history", self.history), ("evidence", self.evidence)):
            if length < timedelta(days=1):
                raise ValueError(f"retention.{name} is at least 1d")


class Settings(Part, frozen=True):
    """The whole tree."""

    data_dir: str = ".receiver"
    """Folder of the embedded Postgres and of what else must outlive the process."""
    database: Database = Database()
    server: Server = Server()
    auth: Auth = Auth()
    kubernetes: Kubernetes = Kubernetes()
    workflow_labels: WorkflowLabels = WorkflowLabels()
    argo: Argo = Argo()
    http_action: HttpAction = HttpAction()
    slack: Slack = Slack()
    pagerduty: PagerDuty = PagerDuty()
    routes: tuple[Route, ...] = (
        Route(matchers=(Matcher.parse('severity="critical"'),), to=("pagerduty", "slack")),
        Route(matchers=(), to=("slack",)),
    )
    owners: tuple[Owner, ...] = ()
    notifications: Notifications = Notifications()
    playbooks: str | tuple[dict[str, Any], ...] | dict[str, PlaybookMode] | None = None
    """Null means the shipped ones, in dry run; a mapping sets the mode of shipped ones by name; text is a folder of
    `*.yaml`; a list holds playbooks in place."""
    incidents: Incidents = Incidents()
    deadletters: DeadLetters = DeadLetters()
    alertmanager: Alertmanager = Alertmanager()
    prometheus: Prometheus = Prometheus()
    pushgateway: Pushgateway = Pushgateway()
    exporter: Exporter = Exporter()
    tracing: Tracing = Tracing()
    agents: tuple[AgentPlace, ...] = ()
    """Who is asked by `receiver ops daily`; none means that no agent is."""
    watchdog: Watchdog | None = None
    """Null means that the silence of `Watchdog` alarms nobody, and that it is recorded without an incident."""
    spool: Spool = Spool()
    archive: Archive = Archive()
    cleanup: Cleanup = Cleanup()
    ops: Ops = Ops()
    retention: Retention = Retention()
    mask: tuple[str, ...] = ()
    """Regular expressions of what is masked in log lines, beside the built-in ones for tokens and passwords."""

    @property
    def names(self) -> LabelNames:
        """Which labels mean what, and which alerts always fire."""
        return replace(self.workflow_labels.names, watchdogs=(self.watchdog or Watchdog()).matchers)


def read_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings of this process.

    Args:
        file: The file that was named on the command line; else `RECEIVER_CONFIG`, else `./receiver.yaml` where it
            exists, else the defaults.
        environment: The environment, of which `RECEIVER_...` overrides single values.

    Raises:
        SettingsError: The file is not there.
        DocumentError: A value was refused; it names file and line, or the variable.
    """
    document = _document(file, environment)
    settings = document.decode(Settings)
    value = document.value
    for name, path in _overrides(environment):
        value, settings = _override(value, name, path, environment[name])
    return settings


def check_exposure(settings: Settings) -> None:
    """Refuse to open an unguarded door to other machines, or one to which nobody could be led back.

    Raises:
        SettingsError: The service would listen beyond loopback without any token, or has no address for a provider.
    """
    if settings.auth.oidc is not None:
        parts = urlsplit(settings.server.public_url or "")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise SettingsError(
                "auth.oidc needs server.public_url, such as https://receiver.example.org: the provider leads people "
                "back there, over TLS unless it is this machine"
            )
    if not settings.auth.tokens and not is_loopback(settings.server.host):
        raise SettingsError(
            f"server.host is {settings.server.host}, but auth.tokens is empty: without tokens the service answers on "
            "loopback only. Add a token for each role that is needed, or set server.host to 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Answer whether only this machine can reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _document(file: Path | None, environment: Mapping[str, str]) -> Document:
    named = file or (Path(environment["RECEIVER_CONFIG"]) if environment.get("RECEIVER_CONFIG") else None)
    path = named or Path("receiver.yaml")
    if named is None and not path.exists():
        return Document("", file="defaults")
    try:
        return Document(path.read_text(encoding="utf-8"), file=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"configuration file {path} cannot be read: {error}") from error


def _overrides(environment: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Find the variables that override a setting, with the path of each; others that begin alike are not ours."""
    branches = {field.encode_name for field in msgspec.structs.fields(Settings)}
    found = []
    for name in sorted(environment):
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if name.startswith(ENVIRONMENT_PREFIX) and (len(path) > 1 or path[0] in branches):
            found.append((name, path))
    return found


def _override(value: object, name: str, path: list[str], text: str) -> tuple[object, Settings]:
    variable = Document("", file=f"environment variable {name}")
    as_text = _replaced(value, path, text)
    try:
        return as_text, decode(variable, as_text, Settings)
    except DocumentError as refusal:
        try:
            as_json = _replaced(value, path, json.loads(text))
        except ValueError:
            raise refusal from None
        return as_json, decode(variable, as_json, Settings)


def _replaced(value: object, path: list[str], leaf: object) -> object:
    if not path:
        return leaf
    branch = dict(value) if isinstance(value, Mapping) else {}
    branch[path[0]] = _replaced(branch.get(path[0]), path[1:], leaf)
    return branch
