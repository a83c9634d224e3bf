"""The dead man's switch: an alert that always fires is only of use if somebody notices that it stopped.

Whoever notices is Receiver: where the watchdog was not heard of for too long, an alert of our own fires,
`WatchdogSilent`, which goes through the same rows and routes as any other. It ends when the watchdog is heard again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import structlog

from receiver.model.alert import Alert, AlertStatus, Delivery, Receipt
from receiver.model.errors import ReceiverError
from receiver.model.incident import Occurrence
from receiver.model.matcher import Matcher, Operator, all_match
from receiver.store import heard
from receiver.store.database import Database
from receiver.store.heard import Heard
from receiver.store.turns import Turn, alone
from receiver.upkeep.message import own, rfc3339
from receiver.webhook.message import fingerprint_of

log = structlog.get_logger()

ALERTNAME: Final = "WatchdogSilent"
FORGOTTEN: Final = timedelta(days=7)
"""A series that was silent for so long, while another one is heard, is taken for one that was removed."""

_NEVER: Final = "none"
"""Stands for the series where none was ever heard of."""
_KEYS: Final = UUID("6f0b5d4e-3c1c-4f43-9d8e-7a5f0e2b9c11")
"""Of the keys of our own deliveries, each of which follows from the alarm that it tells."""
_WHAT_TO_DO: Final = (
    "Prometheus, Alertmanager or the way from there to Receiver is broken, so other alerts may be lost as well. Look "
    "whether Prometheus evaluates its rules, whether Alertmanager notifies, and whether its route for the watchdog "
    "repeats often enough."
)
_ROUNDS: Final = 10
"""How often it is looked within one interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What always fires, and how long its silence is borne."""

    matchers: Sequence[Matcher]
    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A series that is not heard; `series` is its fingerprint, or `none` where none was ever heard.

    Attributes:
        labels: Its labels.
        since: When it was due.
        heard_at: When it was last heard of; None when it never was.
    """

    series: str
    labels: Mapping[str, str]
    since: datetime
    heard_at: datetime | None


def silences(
    series: Sequence[Heard], *, interval: timedelta, listening_since: datetime, now: datetime
) -> list[Silence]:
    """Say what is not heard that should be.

    Args:
        series: All that was ever heard.
        interval: How long a silence is borne.
        listening_since: Since when we could have heard anything; what was missed before proves nothing.
        now: The present time.
    """
    if now - listening_since <= interval:
        return []
    if not series:
        return [Silence(series=_NEVER, labels={}, since=listening_since + interval, heard_at=None)]
    speaks = any(now - one.at <= interval for one in series)
    return [
        Silence(series=one.fingerprint, labels=one.labels, since=one.at + interval, heard_at=one.at)
        for one in series
        if interval < now - one.at and not (speaks and now - one.at > FORGOTTEN)
    ]


def review(
    alarms: Sequence[Occurrence], silent: Sequence[Silence], heard_at: Mapping[str, datetime], now: datetime
) -> list[Alert]:
    """Say what is to be told: alarms that begin, and alarms that end.

    Args:
        alarms: Those that sound.
        silent: What is not heard.
        heard_at: When each series was last heard of.
        now: The present time.
    """
    sounding = {alarm.labels.get("series", _NEVER) for alarm in alarms}
    quiet = {one.series for one in silent}
    begin = [_alarm(one) for one in silent if one.series not in sounding]
    ended = [alarm for alarm in alarms if alarm.labels.get("series", _NEVER) not in quiet]
    return begin + [_end(alarm, heard_at, now) for alarm in ended]


class Watchdog:
    """One replica's ears; only one listens at a time.

    Args:
        database: Where deliveries are.
        record: The way into the store.
        watch: What always fires; None where it is not configured, so that no silence is one.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        *,
        database: Database,
        record: Callable[[Delivery], Awaitable[Receipt]],
        watch: Watch | None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._record = record
        self._watch = watch
        self._now = now
        self._listening_since = now()
        self._listened_at = self._listening_since

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = self._watch.interval / _ROUNDS if self._watch else timedelta(minutes=1)
        while True:
            try:
                await self.round()
            except ReceiverError as error:
                # What came meanwhile may lie in a spool: it was heard, but is not known here yet.
                self._listening_since = self._now()
                log.warning("watchdog", action="round_failed", error=str(error))
            await asyncio.sleep(pause.total_seconds())

    async def round(self) -> list[Alert]:
        """Look once; returns what was told.

        Raises:
            StoreError: The database failed.
        """
        now = self._now()
        if self._watch and now - self._listened_at > self._watch.interval / 2:
            # The process stood still for so long that nothing could be heard.
            self._listening_since = now
        self._listened_at = now
        async with alone(self._database, Turn.WATCHDOG) as ours:
            if not ours:
                return []
            told = await self._review(now)
            for alert in told:
                await self._tell(alert, now)
        return told

    async def _review(self, now: datetime) -> list[Alert]:
        async with self._database.transaction() as transaction:
            alarms = await heard.alarms(transaction, ALERTNAME)
            if self._watch is None:
                return review(alarms, [], {}, now)
            matchers = self._watch.matchers
            equal = {one.name: one.value for one in matchers if one.operator is Operator.EQUAL and one.value}
            found = await heard.series(transaction, equal)
        known = [one for one in found if all_match(matchers, one.labels)]
        silent = silences(known, interval=self._watch.interval, listening_since=self._listening_since, now=now)
        if now - self._listening_since <= self._watch.interval:
            # Nothing can be said yet of what is silent, so that no alarm ends for want of proof.
            audible: set[str] = {one.fingerprint for one in known if now - one.at <= self._watch.interval}
            audible |= {_NEVER} if audible else set()
            alarms = [alarm for alarm in alarms if alarm.labels.get("series") in audible]
        return review(alarms, silent, {one.fingerprint: one.at for one in known}, now)

    async def _tell(self, alert: Alert, now: datetime) -> None:
        series = alert.labels["series"]
        key = uuid5(_KEYS, f"{series} {alert.starts_at_text} {alert.status.value}")
        group = {"alertname": ALERTNAME, "series": series}
        await self._record(own(alert, group_key=f"{heard.OURS}watchdog", group_labels=group, at=now, key=key))
        log.warning("watchdog", action="told", status=alert.status.value, series=series)


def _alarm(silence: Silence) -> Alert:
    name = silence.labels.get("alertname", "the watchdog")
    labels = {
        **{label: value for label, value in silence.labels.items() if label not in {"alertname", "severity"}},
        "alertname": ALERTNAME,
        "severity": "critical",
        "series": silence.series,
    }
    since = silence.since
    heard_of = (
        f"was last heard of at {silence.heard_at:%Y-%m-%d %H:%M:%S} UTC" if silence.heard_at else "was never heard"
    )
    return Alert(
        fingerprint=fingerprint_of(labels),
        status=AlertStatus.FIRING,
        labels=labels,
        annotations={
            "summary": f"{name}, which always fires, {heard_of}",
            "description": _WHAT_TO_DO,
        },
        starts_at=since,
        starts_at_text=rfc3339(since),
        ends_at=None,
        generator_url="",
    )


def _end(alarm: Occurrence, heard_at: Mapping[str, datetime], now: datetime) -> Alert:
    """Write the end of an alarm: when its series was heard, or now where it does not count any more."""
    at = heard_at.get(alarm.labels.get("series", _NEVER), now)
    return Alert(
        fingerprint=alarm.fingerprint,
        status=AlertStatus.RESOLVED,
        labels=alarm.labels,
        annotations=alarm.annotations,
        starts_at=alarm.starts_at,
        starts_at_text=alarm.starts_at_text,
        ends_at=at if at > alarm.starts_at else now,
        generator_url="",
    )
