"""The verbs of a cluster, all in one: questions, changes, creations, following, and what is done with pods."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from receiver.clients.kubernetes import connection
from receiver.clients.kubernetes.belongings import Belongings
from receiver.clients.kubernetes.changing import Changing
from receiver.clients.kubernetes.creating import Creating
from receiver.clients.kubernetes.watching import Watching
from receiver.clients.kubernetes.workloads import Workloads


class Cluster(Changing, Creating, Workloads, Belongings, Watching):
    """One cluster, as one account."""

    @classmethod
    def connect(
        cls, kubeconfig: Path | None, context: str | None, *, timeout: timedelta = timedelta(seconds=10)
    ) -> Self:
        """Return the cluster of a kubeconfig and context, or without a kubeconfig the one that we run in.

        The ambient kubeconfig of whoever starts us is never read. Nothing is asked of the cluster yet.

        Raises:
            SettingsError: There is no such file, context or in-cluster account.
        """
        configuration = connection.in_cluster() if kubeconfig is None else connection.from_file(kubeconfig, context)
        return cls(configuration, timeout=timeout)

    @classmethod
    def at(cls, url: str, token: str, *, timeout: timedelta = timedelta(seconds=10)) -> Self:
        """Return the cluster at an address of our own, such as the sandbox's."""
        return cls(connection.at(url, token), timeout=timeout)
