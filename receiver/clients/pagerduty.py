"""PagerDuty's Events API v2: one endpoint with three actions, and one for change events.

The events are posted with aiohttp and not with the client of the package `pagerduty`. That client (measured in 7.2) is
synchronous, speaks to https addresses only, so that no stand-in on loopback can take its place, sleeps up to three
minutes in retries of its own, and on status 429 blocks its thread for ever. Retries belong to the outbox, and what is
left of the package without them is a single POST.

Facts about the API are from https://developer.pagerduty.com/docs/events-api-v2-overview and the pages beneath it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import aiohttp

from receiver.clients.connections import Connections
from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.errors import PagerDutyError, PagerDutyEventInvalid, SettingsError

EVENTS_URL = "https://events.pagerduty.com"
EVENTS_PATH = "/v2/enqueue"
CHANGES_PATH = "/v2/change/enqueue"

ROUTING_KEY_LENGTH = 32
"""Letters and digits of an integration key; https://developer.pagerduty.com/docs/send-alert-event"""
DEDUP_KEY_LENGTH = 255
"""Most characters of a `dedup_key`; https://developer.pagerduty.com/docs/send-alert-event"""
SUMMARY_LENGTH = 1024
"""Most characters of `payload.summary`; https://developer.pagerduty.com/docs/pd-cef"""
BODY_BYTES = 512_000
"""Most bytes of a whole event; https://developer.pagerduty.com/docs/send-alert-event says 512 KB."""

_ACCEPTED = 202
_TOO_MANY_REQUESTS = 429
_REDIRECTED = 300
_REFUSED = 400
_REQUEST_TIMEOUT = 408
_SERVER_FAILED = 500
_ANSWER_BYTES = 65_536


class EventAction(Enum):
    """What an event asks PagerDuty to do with the alert of its `dedup_key`."""

    TRIGGER = "trigger"
    """Open it, or add to it while it is open."""
    ACKNOWLEDGE = "acknowledge"
    """Say that somebody works on it; nobody is paged further."""
    RESOLVE = "resolve"
    """Close it. A later trigger opens a new one."""


class PagerDutySeverity(Enum):
    """The four severities that PagerDuty knows, worst first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, kw_only=True, slots=True)
class PagerDutyLink:
    """A link shown beside an alert."""

    href: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PagerDutyEvent:
    """One event. All but `action` and `dedup_key` counts for triggers only."""

    action: EventAction
    dedup_key: str
    """Identity of the alert, the same from trigger to resolve; at most `DEDUP_KEY_LENGTH` characters."""
    summary: str = ""
    """What is read out on the phone; at most `SUMMARY_LENGTH` characters, required for a trigger."""
    source: str = ""
    """What is affected; required for a trigger."""
    severity: PagerDutySeverity = PagerDutySeverity.CRITICAL
    timestamp: datetime | None = None
    """When it began; aware."""
    component: str = ""
    group: str = ""
    event_class: str = ""
    custom_details: Mapping[str, Any] = field(default_factory=dict)
    """Whatever JSON helps the person who is paged."""
    links: Sequence[PagerDutyLink] = ()
    client: str = ""
    """Name of the sender as shown, with `client_url` behind it."""
    client_url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PagerDutyChange:
    """One change event, shown among the recent changes of a service; https://developer.pagerduty.com/docs/send-change-event."""

    summary: str
    """At most `SUMMARY_LENGTH` characters."""
    timestamp: datetime
    """When it was changed; aware."""
    source: str
    custom_details: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[PagerDutyLink] = ()


class PagerDutyClient(Connections):
    """One integration of one PagerDuty service. Opens its connections at the first event; `close` ends them.

    Args:
        routing_key: Integration key. It is sent to `events_url` and shown nowhere.
        events_url: Address of the Events API with or without `/v2/enqueue`, https; plain http on loopback only.
        timeout: How long one event may take from connecting to the answer.
        proxy: Address of the proxy on the way, if there is one; see `receiver.clients.outward.proxy_for`.

    Raises:
        SettingsError: The key cannot be one, or the address cannot be used.
    """

    def __init__(
        self,
        *,
        routing_key: str,
        events_url: str = EVENTS_URL,
        timeout: timedelta = timedelta(seconds=15),
        proxy: str | None = None,
    ) -> None:
        key = routing_key.strip()
        if len(key) != ROUTING_KEY_LENGTH or not key.isascii() or not key.isalnum():
            raise SettingsError(
                f"The PagerDuty routing key must be {ROUTING_KEY_LENGTH} letters and digits, and what was given has"
                f" {len(key)} characters: take the Integration Key of an 'Events API V2' integration, not an API token"
            )
        parts = checked_url(events_url, setting="pagerduty.events_url")
        place = parts.path.rstrip("/").removesuffix(EVENTS_PATH)
        self._url = parts._replace(path=place + EVENTS_PATH, query="", fragment="").geturl()
        self._changes_url = parts._replace(path=place + CHANGES_PATH, query="", fragment="").geturl()
        self._key = key
        self._proxy = proxy
        super().__init__(timeout=timeout)

    def __repr__(self) -> str:
        return f"PagerDutyClient(events_url={self._url!r})"

    @property
    def takes_changes(self) -> bool:
        """Whether change events are taken under this key; under that of a ruleset they are not."""
        return not self._key.startswith("R")

    async def send(self, event: PagerDutyEvent) -> None:
        """Hand an event to PagerDuty.

        Returning means accepted, not delivered: PagerDuty works on it afterwards, and drops a resolve or acknowledge
        whose key it does not know. After an error that is `retryable` the same event can be sent again: its `dedup_key`
        keeps a second one from making a second alert.

        Raises:
            PagerDutyEventInvalid: The event is over a limit or lacks a part. Nothing was sent.
            PagerDutyError: PagerDuty refused (`retryable` false), or failed or could not be reached (true).
        """
        body = encoded(event, routing_key=self._key)
        await self._hand_over(self._url, body, f"{event.action.value} for {quoted(event.dedup_key, without=self._key)}")

    async def send_change(self, change: PagerDutyChange) -> None:
        """Hand a change event to PagerDuty; it wakes nobody.

        PagerDuty knows no key for it: sent again after an answer that was lost, it may stand there twice.

        Raises:
            PagerDutyEventInvalid: The event is over a limit or lacks a part. Nothing was sent.
            PagerDutyError: PagerDuty refused (`retryable` false), or failed or could not be reached (true).
        """
        await self._hand_over(self._changes_url, encoded_change(change, routing_key=self._key), "a change event")

    async def _hand_over(self, url: str, body: bytes, about: str) -> None:
        try:
            status, answer, wait = await self._post(url, body)
        except TimeoutError as exc:
            seconds = self._timeout.total_seconds()
            raise PagerDutyError(f"{about}: PagerDuty did not answer within {seconds:g} s", retryable=True) from exc
        except aiohttp.ClientConnectorError as exc:
            raise PagerDutyError(f"{about}: PagerDuty cannot be reached: {exc}", retryable=True) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise PagerDutyError(f"{about}: the connection broke before an answer came", retryable=True) from exc
        if status != _ACCEPTED:
            raise judged(about, status=status, said=_said(answer, self._key), wait=wait)

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes, timedelta | None]:
        headers = {"Content-Type": "application/json", "User-Agent": "receiver"}
        async with self._opened().post(
            url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
        ) as response:
            answer = b"" if response.status == _ACCEPTED else await response.content.read(_ANSWER_BYTES)
            return response.status, answer, retry_after(response.headers, now=datetime.now(UTC))


def encoded(event: PagerDutyEvent, *, routing_key: str) -> bytes:
    """Return the body that carries `event`.

    Raises:
        PagerDutyEventInvalid: PagerDuty could only refuse it.
    """
    _check("dedup_key", event.dedup_key, longest=DEDUP_KEY_LENGTH)
    document: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": event.action.value,
        "dedup_key": event.dedup_key,
    }
    if event.action is EventAction.TRIGGER:
        document |= _trigger_parts(event)
    return _written(document, repr(event.dedup_key))


def encoded_change(change: PagerDutyChange, *, routing_key: str) -> bytes:
    """Return the body that carries a change event.

    Raises:
        PagerDutyEventInvalid: PagerDuty could only refuse it.
    """
    _check("payload.summary", change.summary, longest=SUMMARY_LENGTH)
    payload = {
        "summary": change.summary,
        "timestamp": change.timestamp.isoformat(),
        "source": change.source,
        "custom_details": dict(change.custom_details),
    }
    links = [{"href": link.href, "text": link.text} for link in change.links]
    document = {"routing_key": routing_key, "payload": _without_blanks(payload), "links": links}
    return _written(_without_blanks(document), "of a change")


def _written(document: Mapping[str, Any], name: str) -> bytes:
    """Write a document as it is sent."""
    try:
        # A lone surrogate is no text to PagerDuty; a question mark in its place is better than nobody paged.
        body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (TypeError, ValueError) as exc:
        raise PagerDutyEventInvalid(
            f"The custom details of the event {name} are not JSON: {exc}", part="payload.custom_details"
        ) from exc
    if len(body) > BODY_BYTES:
        raise PagerDutyEventInvalid(
            f"The event {name} has {len(body):,} bytes, PagerDuty takes {BODY_BYTES:,}", part="body"
        )
    return body


def _trigger_parts(event: PagerDutyEvent) -> dict[str, Any]:
    _check("payload.summary", event.summary, longest=SUMMARY_LENGTH)
    _check("payload.source", event.source, longest=BODY_BYTES)
    payload = {
        "summary": event.summary,
        "source": event.source,
        "severity": event.severity.value,
        "timestamp": event.timestamp.isoformat() if event.timestamp else None,
        "component": event.component,
        "group": event.group,
        "class": event.event_class,
        "custom_details": dict(event.custom_details),
    }
    parts = {
        "payload": _without_blanks(payload),
        "links": [{"href": link.href, "text": link.text} for link in event.links],
        "client": event.client,
        "client_url": event.client_url,
    }
    return _without_blanks(parts)


def _without_blanks(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value}


def _check(part: str, text: str, *, longest: int) -> None:
    if not text.strip():
        raise PagerDutyEventInvalid(f"The event's {part} is blank", part=part)
    if len(text) > longest:
        raise PagerDutyEventInvalid(f"The event's {part} has {len(text):,} characters, at most {longest:,}", part=part)


def judged(about: str, *, status: int, said: str, wait: timedelta | None) -> PagerDutyError:
    """Decide what any answer but 202 means.

    By "Response codes and retry logic" of https://developer.pagerduty.com/docs/events-api-v2-overview.
    """
    message = f"{about}: PagerDuty answered HTTP {status}" + (f" ({said})" if said else "")
    if status in {_TOO_MANY_REQUESTS, _REQUEST_TIMEOUT} or status >= _SERVER_FAILED:
        return PagerDutyError(message, retryable=True, retry_after=wait)
    if status < _REDIRECTED:
        return PagerDutyError(f"{message}, not 202; is there a proxy in between?", retryable=True)
    if status < _REFUSED or not said:
        return PagerDutyError(f"{message}; check pagerduty.events_url")
    return PagerDutyError(message)


def _said(answer: bytes, secret: str) -> str:
    """Quote PagerDuty's own words: `{"status": ..., "message": ..., "errors": [...]}`."""
    try:
        document = json.loads(answer)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    words = [document.get("status"), document.get("message"), *(errors if isinstance(errors, list) else ())]
    return quoted(": ".join(str(word) for word in words if word), without=secret)
