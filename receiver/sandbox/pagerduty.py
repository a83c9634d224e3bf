"""PagerDuty's Events API v2 as a server on loopback: as strict, and with a memory of its alerts.

Built from https://developer.pagerduty.com/docs/events-api-v2-overview and the pages beneath it, and stricter where
PagerDuty is silent: fields that it does not document are refused. An alert here is what PagerDuty shows as an incident.
"""

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from uuid import uuid4

from aiohttp import web

from receiver.sandbox.loopback import LoopbackServer
from receiver.sandbox.pagerduty_rules import change_faults, event_faults

BODY_BYTES = 512_000
WINDOW_SECONDS = 60

EXAMPLE_KEY = "0123456789abcdef0123456789abcdef"


class AlertStatus(Enum):
    """Where an alert stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedEvent:
    """An event that was accepted, without its key."""

    action: str
    """`trigger`, `acknowledge` or `resolve`; `change` for a change event."""
    dedup_key: str
    document: Mapping[str, Any]
    dropped: bool = False
    """Accepted and then without effect: acknowledge or resolve where nothing is open under this key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PagerDutyAlert:
    """One alert from its first trigger to its resolve."""

    routing_key: str = field(repr=False)
    dedup_key: str
    status: AlertStatus
    events: tuple[AcceptedEvent, ...]

    @property
    def summary(self) -> str:
        """What the first trigger said."""
        return str(self.events[0].document["payload"]["summary"])


class PagerDutyStandIn(LoopbackServer):
    """`async with PagerDutyStandIn() as pagerduty:` and post to `pagerduty.url`.

    Args:
        routing_keys: Integration keys that exist here. Others are refused.
        per_minute: Events that one key may send within any minute; more are answered 429. None for no limit.
        port: Where to listen; 0 for any free port.
        clock: Seconds of a clock that never goes back, for the limit.
    """

    def __init__(
        self,
        *,
        routing_keys: Collection[str] = (EXAMPLE_KEY,),
        per_minute: int | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        routes = [web.post("/v2/enqueue", self._enqueue), web.post("/v2/change/enqueue", self._enqueue_change)]
        super().__init__(routes, port=port)
        self.events: list[AcceptedEvent] = []
        self.alerts: list[PagerDutyAlert] = []
        self._keys = frozenset(routing_keys)
        self._per_minute = per_minute
        self._clock = clock
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    @property
    def url(self) -> str:
        """What stands in for `https://events.pagerduty.com`."""
        return self.origin

    def alert(self, dedup_key: str) -> PagerDutyAlert:
        """Return the newest alert with this key.

        Raises:
            LookupError: There never was one.
        """
        for alert in reversed(self.alerts):
            if alert.dedup_key == dedup_key:
                return alert
        raise LookupError(f"No alert was ever triggered with the key {dedup_key!r}")

    async def _enqueue(self, request: web.Request) -> web.Response:
        document, refusal = await self._admit(request, event_faults)
        if refusal is not None:
            return refusal
        key, action = document.pop("routing_key"), document["event_action"]
        event = AcceptedEvent(action=action, dedup_key=document.get("dedup_key") or uuid4().hex, document=document)
        self._apply(key, event)
        return web.json_response(
            {"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}, status=202
        )

    async def _enqueue_change(self, request: web.Request) -> web.Response:
        document, refusal = await self._admit(request, change_faults)
        if refusal is not None:
            return refusal
        document.pop("routing_key")
        self.events.append(AcceptedEvent(action="change", dedup_key="", document=document))
        return web.json_response({"status": "success", "message": "Change event processed"}, status=202)

    async def _admit(
        self, request: web.Request, faults: Callable[[Mapping[str, Any]], list[str]]
    ) -> tuple[dict[str, Any], web.Response | None]:
        body = await request.read()
        if len(body) > BODY_BYTES:
            return {}, _refused(413, "payload too large", f"An event has at most {BODY_BYTES} bytes")
        try:
            document = json.loads(body, parse_constant=_refuse_constant)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return {}, _refused(400, "Unrecognized object", "Event object format is unrecognized", "JSON parse error")
        found = faults(document)
        if not found and document["routing_key"] not in self._keys:
            found = ["Invalid routing key"]
        if found:
            return {}, _refused(400, "invalid event", "Event object is invalid", *found)
        if self._is_throttled(document["routing_key"]):
            return {}, _refused(429, "throttle exceeded", "Too many events for this integration, try again later")
        return document, None

    def _is_throttled(self, key: str) -> bool:
        if self._per_minute is None:
            return False
        now, taken = self._clock(), self._taken[key]
        while taken and taken[0] <= now - WINDOW_SECONDS:
            taken.popleft()
        if len(taken) >= self._per_minute:
            return True
        taken.append(now)
        return False

    def _apply(self, key: str, event: AcceptedEvent) -> None:
        place = self._open_alert(key, event.dedup_key)
        event = replace(event, dropped=place is None and event.action != "trigger")
        self.events.append(event)
        if place is not None:
            alert = self.alerts[place]
            status = _next_status(alert.status, event.action)
            self.alerts[place] = replace(alert, status=status, events=(*alert.events, event))
        elif not event.dropped:
            self.alerts.append(
                PagerDutyAlert(
                    routing_key=key, dedup_key=event.dedup_key, status=AlertStatus.TRIGGERED, events=(event,)
                )
            )

    def _open_alert(self, key: str, dedup_key: str) -> int | None:
        for place, alert in enumerate(self.alerts):
            if (alert.routing_key, alert.dedup_key) == (key, dedup_key) and alert.status is not AlertStatus.RESOLVED:
                return place
        return None


def _next_status(status: AlertStatus, action: str) -> AlertStatus:
    """Move an open alert on. A trigger changes nothing: while it is acknowledged, nobody is paged again."""
    moves = {"acknowledge": AlertStatus.ACKNOWLEDGED, "resolve": AlertStatus.RESOLVED}
    return moves.get(action, status)


def _refused(status: int, name: str, message: str, *errors: str) -> web.Response:
    return web.json_response({"status": name, "message": message, "errors": list(errors)}, status=status)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
