"""The verbs of a cluster, all in one: questions, changes, creations, following, and what is done with pods."""

from datetime import timedelta

from kubernetes import client

from receiver.clients.kubernetes.belongings import Belongings
from receiver.clients.kubernetes.changing import Changing
from receiver.clients.kubernetes.creating import Creating
from receiver.clients.kubernetes.watching import Watching
from receiver.clients.kubernetes.workloads import Workloads


class Cluster(Changing, Creating, Workloads, Belongings, Watching):
    """One cluster, as one account."""

    def __init__(self, configuration: client.Configuration, *, timeout: timedelta) -> None:
        super().__init__(configuration, timeout=timeout)
        # Loaded at once: later it would hold up whatever else a service does for a second.
        self._loaded = (self._pods, self._deployments, self._jobs, self._reviews)
