"""The settings of what stands around: agents, Prometheus, the Pushgateway. They are asked by operators' commands."""

import re

from receiver.model.duration import Duration
from receiver.settings.part import Hidden, Part, Secret


class AgentPlace(Part, frozen=True):
    """One agent, and where `receiver agent health` answers for it."""

    type: str
    """Such as `rex`."""
    url: str | None = None
    """Null means `http://TYPE-agent:8080`."""

    def __post_init__(self) -> None:
        """Refuse what is no name, or no address."""
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.type):
            raise ValueError(f"agents: {self.type!r} is no type of an agent; write one such as rex")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"agents: the url of {self.type} must begin with http:// or https://")

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.url or f"http://{self.type}-agent:8080"


class Pushgateway(Part, frozen=True):
    """Where commands that end push their figures."""

    url: str | None = None
    """Such as `http://pushgateway:9091`. Null means that nothing is pushed."""


class Tracing(Part, frozen=True):
    """Where the trace of each incident goes once it is over, by OpenTelemetry's protocol."""

    endpoint: str | None = None
    """Such as `http://collector:4318/v1/traces`. Null means that no traces are made."""
    name: str = "receiver"
    """What Receiver is called there: the service's name, which also tells installations apart."""
    timeout: Duration = Duration(seconds=10)
    """Of one trace, tries included."""

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("tracing.endpoint must begin with http:// or https://")


class Prometheus(Part, frozen=True):
    """Who is asked what the figures are."""

    url: str | None = None
    """Such as `http://prometheus:9090`. Null means that nobody is asked."""
    token: Hidden | None = None
    """A bearer token, where a proxy before it asks for one; then the address must be https."""
    token_file: str | None = None
    timeout: Duration = Duration(seconds=10)
    """Of one question."""

    @property
    def secret(self) -> Secret:
        """The bearer token."""
        return Secret(self.token, self.token_file, name="prometheus.token")
