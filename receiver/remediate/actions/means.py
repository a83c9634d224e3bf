"""What an action may work with, and what it says when that is not configured."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from receiver.clients.alertmanager import AlertmanagerClient
from receiver.clients.argo import ArgoServer
from receiver.clients.errand import Errands
from receiver.clients.kubernetes import Cluster
from receiver.model.archive import Archived
from receiver.model.attachment import Part
from receiver.model.errors import ActionError
from receiver.model.workflow import Workflow


class Need(Enum):
    """Something that has to be configured before an action can work."""

    CLUSTER = "a Kubernetes cluster"
    ARGO_SERVER = "Argo Server"
    ALERTMANAGER = "Alertmanager"
    HTTP = "a host that playbooks may ask"
    ARCHIVE = "an archive of finished workflows"
    BUCKET = "a bucket for archives"


_ADVICE: Final = {
    Need.CLUSTER: "set kubernetes.kubeconfig and kubernetes.context, or run inside a cluster",
    Need.ARGO_SERVER: "set argo.server_url and argo.token_file",
    Need.ALERTMANAGER: "set alertmanager.url",
    Need.HTTP: "name it in http_action.allow",
    Need.ARCHIVE: "set archive.bucket, or argo.server_url, whose archive is asked then",
    Need.BUCKET: "set archive.bucket",
}


class Archive(Protocol):
    """Every place where finished workflows are kept whole: our own, and Argo's."""

    async def holds(self, workflow: Workflow) -> str:
        """Read a workflow back and compare it; say where it lies, or give an empty text where it is not, or differs.

        Raises:
            ClusterError: Argo's archive, or the workflow itself, could not be read.
            ActionError: Our own archive could not.
        """


class Keeper(Protocol):
    """Our own archive of finished workflows."""

    async def keep(self, workflow: Workflow, *, by: str, beside: Collection[Part] = ()) -> Archived:
        """Archive a workflow in exactly the state in which it was read; one that is archived already is found.

        Args:
            workflow: Which, in which state.
            by: Who asks, for the index.
            beside: What else of it is kept beside it.

        Raises:
            ClusterError: It has changed since, is not finished, or could not be read whole, or not what is beside it.
            ActionError: The bucket did not take it.
        """

    async def kept(self, workflow: Workflow, *, beside: Collection[Part] = ()) -> Archived | None:
        """Find the archive of exactly this state, and what is to lie beside it, having read them back.

        Returns:
            None where there is none that is whole, or something beside it is not there.

        Raises:
            ClusterError: The workflow could not be read whole.
            ActionError: The bucket could not be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What is configured here. What is None, or empty, is not; an action that needs it is then never begun.

    Attributes:
        cluster: The Kubernetes API.
        argo: Argo Server, for what only it can do.
        alertmanagers: Every peer that may be asked, in the order of the settings.
        errands: HTTP requests to the hosts of `http_action.allow`.
        archive: Where finished workflows are kept.
        keeper: Where they can be put by us.
    """

    cluster: Cluster | None = None
    argo: ArgoServer | None = None
    alertmanagers: Sequence[AlertmanagerClient] = ()
    errands: Errands | None = None
    archive: Archive | None = None
    keeper: Keeper | None = None

    def has(self, need: Need) -> bool:
        """Answer whether it is configured."""
        found = {
            Need.CLUSTER: self.cluster,
            Need.ARGO_SERVER: self.argo,
            Need.ALERTMANAGER: self.alertmanagers or None,
            Need.HTTP: self.errands,
            Need.ARCHIVE: self.archive,
            Need.BUCKET: self.keeper,
        }
        return found[need] is not None

    def the_cluster(self) -> Cluster:
        """Give the cluster.

        Raises:
            ActionError: None is configured.
        """
        if self.cluster is None:
            raise ActionError(f"{absent(Need.CLUSTER)}.")
        return self.cluster

    def the_argo_server(self) -> ArgoServer:
        """Give Argo Server.

        Raises:
            ActionError: None is configured.
        """
        if self.argo is None:
            raise ActionError(f"{absent(Need.ARGO_SERVER)}.")
        return self.argo

    def the_keeper(self) -> Keeper:
        """Give our own archive.

        Raises:
            ActionError: None is configured.
        """
        if self.keeper is None:
            raise ActionError(f"{absent(Need.BUCKET)}.")
        return self.keeper


def absent(need: Need) -> str:
    """Say that something is not configured, and how it would be."""
    return f"{need.value} is not configured: {_ADVICE[need]}"
