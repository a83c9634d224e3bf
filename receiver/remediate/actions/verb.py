"""What every verb can say and do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from receiver.clients.kubernetes import Cluster
from receiver.model.remediation import Run
from receiver.remediate.facts import Facts
from receiver.remediate.language import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """An effect that was taken.

    Attributes:
        vars: All variables of the run from now on.
        result: What is worth keeping about it, as JSON values; fit to be shown.
    """

    text: str
    vars: Mapping[str, Any]
    result: Mapping[str, Any]


class Verb(Protocol):
    """One verb with an effect."""

    @property
    def name(self) -> str:
        """Its name in the playbook language."""

    @property
    def params(self) -> type[Action]:
        """What it takes in a playbook."""

    @property
    def rights(self) -> tuple[tuple[str, str], ...]:
        """What the cluster must allow us in the namespace: pairs of verb and resource."""

    def recover(self, run: Run, facts: Facts) -> Performed | None:
        """See whether the effect of the present step is there already, from whichever attempt; None when it is not."""

    def moot(self, run: Run, facts: Facts) -> str:
        """Say why there is nothing left to do and nothing to worry about; empty when there is."""

    def preconditions(self, run: Run, facts: Facts) -> str:
        """Say why it must not be done; empty when it may."""

    async def perform(self, cluster: Cluster, run: Run, facts: Facts) -> Performed:
        """Do it, once. Repeating it is safe.

        Raises:
            ClusterError: It was refused, or no answer came.
        """
