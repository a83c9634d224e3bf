"""The settings of whom playbooks act through, beside the cluster itself."""

from receiver.model.duration import Duration
from receiver.settings.part import Hidden, Part, Secret


class Argo(Part, frozen=True):
    """Argo Server: its web page, and its API for what only it can do."""

    ui_url: str | None = None
    """Base of Argo's web page, for links."""
    server_url: str | None = None
    """Where its API answers, such as `https://argo-server.argo:2746`. Without one, workflows whose steps Argo keeps in
    its database are not judged by their steps, and nothing is retried or resubmitted with what it remembers."""
    token: Hidden | None = None
    """Token of a service account: Argo Server does with it whatever that account may."""
    token_file: str | None = None
    ca_file: str | None = None
    """Certificates by which it is known; null means those of the system. Its own are self-signed."""
    timeout: Duration = Duration(seconds=30)
    """Of one question. A retry deletes pods one by one before it answers."""

    @property
    def secret(self) -> Secret:
        """The bearer token."""
        return Secret(self.token, self.token_file, name="argo.token")


class HttpAction(Part, frozen=True):
    """Where the requests of playbooks may go."""

    allow: tuple[str, ...] = ()
    """Hosts such as `hooks.example.com`, `hooks.example.com:8443`, or `http://hooks.example.com` where the way there
    need not be encrypted. Empty means none. Loopback, link-local addresses and those of cloud metadata are reached only
    where they stand here themselves, whatever a host's name leads to."""
    timeout: Duration = Duration(seconds=10)
    """Of one request."""
