"""What an action may work with, and what it says when that is not configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from receiver.clients.alertmanager import AlertmanagerClient
from receiver.clients.kubernetes import Cluster
from receiver.model.errors import ActionError


class Need(Enum):
    """Something that has to be configured before an action can work."""

    CLUSTER = "a Kubernetes cluster"
    ALERTMANAGER = "Alertmanager"


_ADVICE: Final = {
    Need.CLUSTER: "set kubernetes.kubeconfig and kubernetes.context, or run inside a cluster",
    Need.ALERTMANAGER: "set alertmanager.url",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What is configured here. What is None, or empty, is not; an action that needs it is then never begun.

    Attributes:
        cluster: The Kubernetes API.
        alertmanagers: Every peer that may be asked, in the order of the settings.
    """

    cluster: Cluster | None = None
    alertmanagers: Sequence[AlertmanagerClient] = ()

    def has(self, need: Need) -> bool:
        """Answer whether it is configured."""
        match need:
            case Need.CLUSTER:
                return self.cluster is not None
            case Need.ALERTMANAGER:
                return bool(self.alertmanagers)

    def the_cluster(self) -> Cluster:
        """Give the cluster.

        Raises:
            ActionError: None is configured.
        """
        if self.cluster is None:
            raise ActionError(absent(Need.CLUSTER))
        return self.cluster


def absent(need: Need) -> str:
    """Say that something is not configured, and how it would be."""
    return f"{need.value} is not configured: {_ADVICE[need]}"
