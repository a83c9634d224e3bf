"""What an Alertmanager has now, and what it says of itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import msgspec

from receiver.clients.alertmanager.asking import written
from receiver.clients.alertmanager.silences import Silencing
from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.matcher import Matcher, Operator


class AlertState(Enum):
    """What Alertmanager does with an alert that it has."""

    ACTIVE = "active"
    """People are told."""
    SUPPRESSED = "suppressed"
    """Silenced, inhibited or muted: it holds, and nobody is told."""
    UNPROCESSED = "unprocessed"
    """It came a moment ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAlert:
    """An alert that an Alertmanager has; those that are over are not among them.

    Attributes:
        alert: The alert itself, firing. Its start is cut to milliseconds, see `receiver.model.alert.api_start`.
        state: What is done with it.
        silenced_by: Ids of silences.
        inhibited_by: Fingerprints of the alerts that inhibit it.
        receivers: Names of the receivers that its routes lead to.
    """

    alert: Alert
    state: AlertState
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """What an Alertmanager says of itself.

    Attributes:
        version: Its release, such as `0.25.0`.
        started_at: When it started, by its own clock.
        peers: Addresses of the members of its cluster, itself among them; empty where it has none.
    """

    version: str
    started_at: datetime
    peers: tuple[str, ...]


class _Named(msgspec.Struct):
    name: str


class _State(msgspec.Struct, rename="camel"):
    state: AlertState
    silenced_by: list[str] | None = None
    inhibited_by: list[str] | None = None


class _Held(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    fingerprint: str
    starts_at: str
    status: _State
    annotations: dict[str, str] | None = None
    receivers: list[_Named] | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


class _Group(msgspec.Struct):
    labels: dict[str, str]
    receiver: _Named
    alerts: list[_Held]


class _Version(msgspec.Struct):
    version: str


class _Address(msgspec.Struct):
    address: str = ""


class _Cluster(msgspec.Struct):
    peers: list[_Address] | None = None


class _Status(msgspec.Struct, rename="camel"):
    uptime: str
    version_info: _Version
    cluster: _Cluster | None = None


class AlertmanagerClient(Silencing):
    """One peer; see `Asking` for how it is made."""

    async def alerts(
        self, matchers: Sequence[Matcher] = (), *, receiver: str | None = None, suppressed: bool = True
    ) -> list[HeldAlert]:
        """Ask for the alerts that it has.

        Args:
            matchers: Conditions that all of them meet.
            receiver: Name of a receiver that they are routed to.
            suppressed: Whether those that are silenced or inhibited are wanted too.

        Raises:
            AlertmanagerUnreachable: No answer came.
            AlertmanagerError: It refused, or the answer is none.
        """
        held = await self._ask("alerts", self._wanted(matchers, receiver, suppressed=suppressed), list[_Held])
        return [self._alert(one) for one in held]

    async def group(self, labels: Mapping[str, str], *, receiver: str) -> list[HeldAlert]:
        """Ask for what is told of one group: its alerts that are neither silenced nor inhibited.

        Args:
            labels: The labels by which the group was formed.
            receiver: Name of the receiver that is told.

        Raises:
            AlertmanagerUnreachable: No answer came.
            AlertmanagerError: It refused, or the answer is none.
        """
        formed_by = [Matcher(name=name, operator=Operator.EQUAL, value=value) for name, value in labels.items()]
        groups = await self._ask("alerts/groups", self._wanted(formed_by, receiver, suppressed=False), list[_Group])
        return [
            self._alert(one)
            for group in groups
            if group.labels == dict(labels) and group.receiver.name == receiver
            for one in group.alerts
            if one.status.state is not AlertState.SUPPRESSED
        ]

    async def post(
        self, labels: Mapping[str, str], annotations: Mapping[str, str], *, starts_at: datetime, ends_at: datetime
    ) -> None:
        """Post an alert as Prometheus does; the same labels again move its end.

        Args:
            labels: Which identify it.
            annotations: For people.
            starts_at: Since when it holds.
            ends_at: Until when, unless it is posted again; a time that is over resolves it.

        Raises:
            AlertmanagerUnreachable: No answer came.
            AlertmanagerError: It refused.
        """
        alert = {
            "labels": dict(labels),
            "annotations": dict(annotations),
            "startsAt": starts_at.astimezone(UTC).isoformat(),
            "endsAt": ends_at.astimezone(UTC).isoformat(),
        }
        await self._exchange(f"{self.url}/api/v2/alerts", "POST", json=[alert])

    async def status(self) -> PeerStatus:
        """Ask for its version, its start and its cluster.

        Raises:
            AlertmanagerUnreachable: No answer came.
            AlertmanagerError: It refused, or the answer is none.
        """
        said = await self._ask("status", [], _Status)
        peers = said.cluster.peers or [] if said.cluster else []
        return PeerStatus(
            version=said.version_info.version,
            started_at=self._moment(said.uptime),
            peers=tuple(peer.address for peer in peers),
        )

    def _wanted(self, matchers: Sequence[Matcher], receiver: str | None, *, suppressed: bool) -> list[tuple[str, str]]:
        wanted = [("filter", written(matcher)) for matcher in matchers]
        if receiver is not None:
            # Alertmanager anchors the expression at both ends.
            wanted.append(("receiver", re.escape(receiver)))
        if not suppressed:
            wanted += [("silenced", "false"), ("inhibited", "false")]
        return wanted

    def _alert(self, held: _Held) -> HeldAlert:
        return HeldAlert(
            alert=Alert(
                fingerprint=Fingerprint(held.fingerprint),
                status=AlertStatus.FIRING,
                labels=held.labels,
                annotations=held.annotations or {},
                starts_at=self._moment(held.starts_at),
                starts_at_text=held.starts_at,
                ends_at=None,
                generator_url=held.generator_url or "",
            ),
            state=held.status.state,
            silenced_by=tuple(held.status.silenced_by or ()),
            inhibited_by=tuple(held.status.inhibited_by or ()),
            receivers=tuple(receiver.name for receiver in held.receivers or ()),
        )
