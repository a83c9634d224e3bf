"""The cluster of the settings, and whoever follows it: apart from the rest, since the exporter needs nothing else."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from receiver.clients.kubernetes import EVERYWHERE, Cluster, Watching
from receiver.model.errors import SettingsError
from receiver.settings import Settings
from receiver.upkeep.fleet import Fleet

_Kind = TypeVar("_Kind", bound=Watching)

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""Kubernetes sets it in every container; https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/."""


def connect_cluster(settings: Settings) -> Cluster | None:
    """Give the configured cluster, or the one that we run in; None where there is neither.

    Raises:
        SettingsError: A kubeconfig is named without its context, or cannot be used.
    """
    return _connected(settings, Cluster)


def connect_follower(settings: Settings) -> Watching | None:
    """Give the same cluster to whoever only follows it: that takes half the memory.

    Raises:
        SettingsError: A kubeconfig is named without its context, or cannot be used.
    """
    return _connected(settings, Watching)


def make_fleet(settings: Settings, cluster: Watching) -> Fleet | None:
    """Give whoever follows the workflows of a cluster for their metrics; None where no namespace is named."""
    named = settings.exporter.namespaces
    wanted = settings.kubernetes.namespaces if named is None else named
    places = (EVERYWHERE,) if "*" in wanted else wanted
    return Fleet(cluster, places, settings.workflow_labels.agent, _present) if places else None


def _present() -> datetime:
    return datetime.now(UTC)


def _connected(settings: Settings, kind: type[_Kind]) -> _Kind | None:
    wanted = settings.kubernetes
    if wanted.kubeconfig is not None:
        if wanted.context is None:
            raise SettingsError(
                "kubernetes.kubeconfig is set without kubernetes.context: name the context, since the current one of a "
                "file may change under a running service"
            )
        return kind.connect(Path(wanted.kubeconfig), wanted.context, timeout=wanted.timeout)
    return kind.connect(None, None, timeout=wanted.timeout) if _IN_CLUSTER in os.environ else None
