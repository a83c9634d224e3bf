"""One Alertmanager, asked through its v2 API what it has now.

The forms are those of its OpenAPI document (`api/v2/openapi.yaml` of releases 0.25 to 0.34); whatever a release adds is
ignored. Version 1 of the API is not spoken: it is gone since 0.27. A pair is two clients, since each peer is asked for
itself: what one of them does not know, the other may.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.errors import AlertmanagerError, AlertmanagerUnreachable, SettingsError
from receiver.model.matcher import Matcher, Operator

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer. Ten thousand alerts are 8 MB; whoever has more than four times that is not asked for all at once."""

_OK: Final = 200
_REDIRECTED: Final = 300
_REFUSED: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAILED: Final = 500
_CLASSIC_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


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


_Form = TypeVar("_Form")


class AlertmanagerClient:
    """One peer.

    Args:
        url: Where it answers, with its route prefix where it has one: `http://alertmanager:9093`.
        token: A bearer token, where a proxy before it asks for one; never sent in the clear beyond this machine.
        timeout: Of one question.
        proxy: Through which it is reached.

    Raises:
        SettingsError: The URL cannot be used.
    """

    def __init__(
        self, url: str, *, token: str = "", timeout: timedelta = timedelta(seconds=10), proxy: str | None = None
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._secret = token
        self._proxy = proxy
        self._timeout = timeout
        self._check()
        self._session: aiohttp.ClientSession | None = None

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

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check(self) -> None:
        """Accept plain http only where no secret travels."""
        if self._secret:
            checked_url(self.url, setting="alertmanager.url")
            return
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", self.url):
            raise SettingsError(
                "alertmanager.url must be an absolute URL without user and password, such as http://alertmanager:9093"
            )

    def _wanted(self, matchers: Sequence[Matcher], receiver: str | None, *, suppressed: bool) -> list[tuple[str, str]]:
        wanted = [("filter", _written(matcher)) for matcher in matchers]
        if receiver is not None:
            # Alertmanager anchors the expression at both ends.
            wanted.append(("receiver", re.escape(receiver)))
        if not suppressed:
            wanted += [("silenced", "false"), ("inhibited", "false")]
        return wanted

    async def _ask(self, what: str, wanted: Sequence[tuple[str, str]], form: type[_Form]) -> _Form:
        about = f"{self.url}/api/v2/{what}"
        try:
            status, body, wait = await self._get(about, wanted)
        except TimeoutError as error:
            seconds = self._timeout.total_seconds()
            raise AlertmanagerUnreachable(f"{about} did not answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = quoted(str(error) or type(error).__name__, without=self._secret or "\0")
            raise AlertmanagerUnreachable(f"{about} cannot be reached: {reason}") from error
        self._accept(about, status, body, wait)
        try:
            return msgspec.json.decode(body, type=form)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise AlertmanagerError(f"{about} did not answer as an Alertmanager does: {error}") from error

    async def _get(self, about: str, wanted: Sequence[tuple[str, str]]) -> tuple[int, bytes, timedelta | None]:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._secret}"} if self._secret else {}
            patience = aiohttp.ClientTimeout(total=self._timeout.total_seconds())
            self._session = aiohttp.ClientSession(headers=headers, timeout=patience)
        async with self._session.get(about, params=wanted, proxy=self._proxy, allow_redirects=False) as answer:
            read, parts = 0, []
            async for part in answer.content.iter_any():
                read += len(part)
                if read > MOST_BYTES:
                    raise AlertmanagerError(
                        f"{about} answers more than {MOST_BYTES} bytes; too much is firing to read it"
                    )
                parts.append(part)
            return answer.status, b"".join(parts), retry_after(answer.headers, now=datetime.now(UTC))

    def _accept(self, about: str, status: int, body: bytes, wait: timedelta | None) -> None:
        if status == _OK:
            return
        said = quoted(body[:1000].decode(errors="replace"), without=self._secret or "\0")
        if status >= _SERVER_FAILED or status == _TOO_MANY_REQUESTS:
            raise AlertmanagerUnreachable(f"{about} answered {status}: {said}", retry_after=wait)
        if _REDIRECTED <= status < _REFUSED:
            raise AlertmanagerError(f"{about} leads elsewhere ({status}); set alertmanager.url to where it answers")
        raise AlertmanagerError(f"{about} answered {status}: {said}")

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

    def _moment(self, text: str) -> datetime:
        """Read a time of RFC 3339, truncated to microseconds as `fromisoformat` does."""
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise AlertmanagerError(f"{self.url} says {text!r}, which is no time: {error}") from error
        raise AlertmanagerError(f"{self.url} says {text!r}, a time without its zone")


def _written(matcher: Matcher) -> str:
    """Write a matcher as each release reads it: names of other letters are quoted, which 0.27 and newer understand."""
    if _CLASSIC_NAME.fullmatch(matcher.name):
        return str(matcher)
    name = matcher.name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{name}"{str(matcher)[len(matcher.name) :]}'
