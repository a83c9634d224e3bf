"""Asks Alertmanager about deliveries that leave a question: the rest of a truncated group, and firings that came late.

The delivery itself was answered and recorded long before; nobody waits here but the truth.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from receiver.clients.alertmanager import AlertmanagerClient, AlertState, HeldAlert
from receiver.model.alert import Alert, Asked, Delivery, Receipt, api_start
from receiver.model.errors import AlertmanagerError, ReceiverError, StoreError
from receiver.model.matcher import Matcher, Operator
from receiver.model.timeline import Event, Kind
from receiver.store import closing, inquiries, timeline
from receiver.store.database import Database
from receiver.store.inquiries import Inquiry
from receiver.upkeep.message import completed
from receiver.webhook.message import parse

log = structlog.get_logger()

TRIES: Final = 5
"""How often Alertmanager is asked about one delivery before it stays without an answer."""

_EVERY: Final = timedelta(seconds=2)
_PAUSE: Final = timedelta(seconds=10)
"""After which a question without an answer is asked again; doubled each time, so that it ends after five minutes."""
_MOST: Final = 20

Record = Callable[[Delivery], Awaitable[Receipt]]
"""Makes a delivery durable, as the door does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one peer has of what was asked for; nothing, and a reason, where it did not answer."""

    asked: Asked
    held: Sequence[HeldAlert] = ()
    failure: str = ""


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What is to be told about one delivery.

    Attributes:
        said: What was learnt.
        unanswered: What is told where it stays without an answer; empty when everything was answered.
    """

    said: list[Event] = field(default_factory=list)
    unanswered: list[Event] = field(default_factory=list)


class Inquirer:
    """One replica's part in asking; what one has taken, no other takes.

    Args:
        database: Where the questions are.
        record: The way into the store.
        clients: The peers; without any, questions are settled as ones that nobody can answer.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        *,
        database: Database,
        record: Record,
        clients: Sequence[AlertmanagerClient],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._record = record
        self._clients = clients
        self._now = now

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self.round()
            except StoreError as error:
                log.warning("inquiring", action="inquiries_unread", error=str(error))
            await asyncio.sleep(_EVERY.total_seconds())

    async def round(self) -> int:
        """Ask about whatever is due; returns how many deliveries that were.

        Raises:
            StoreError: The database failed; what is not settled comes again.
        """
        async with self._database.transaction() as transaction:
            taken = await inquiries.claim(transaction, self._now(), most=_MOST, pause=_PAUSE)
        for inquiry in taken:
            try:
                await self._about(inquiry)
            except ReceiverError as error:
                log.warning("inquiring", action="inquiry_failed", delivery=str(inquiry.key), error=str(error))
        return len(taken)

    async def _about(self, inquiry: Inquiry) -> None:
        """Ask about one delivery, record what is learnt, and settle it unless it is worth asking again."""
        outcome = _Outcome()
        if inquiry.body is not None:
            delivery = parse(inquiry.body, inquiry.received_at, key=inquiry.key)
            if inquiry.late:
                await self._believe(delivery, inquiry, outcome)
            if inquiry.truncated:
                await self._complete(delivery, inquiry, outcome)
        if outcome.unanswered and self._clients and inquiry.tries < TRIES:
            return
        async with self._database.transaction() as transaction:
            await timeline.add(transaction, *outcome.said, *outcome.unanswered)
            await inquiries.settle(transaction, inquiry)

    async def _believe(self, delivery: Delivery, inquiry: Inquiry, outcome: _Outcome) -> None:
        """Record those late firings anew, with the evidence, that a peer still has; the others stay late."""
        formed_by = [
            Matcher(name=name, operator=Operator.EQUAL, value=value) for name, value in delivery.group_labels.items()
        ]
        answers = await self._ask(lambda client: client.alerts(formed_by, receiver=delivery.receiver))
        doubtful = set(inquiry.late)
        for answer in answers:
            active = {_key(one.alert) for one in answer.held if one.state is not AlertState.SUPPRESSED}
            believed = [
                alert
                for alert in delivery.alerts
                if (alert.fingerprint, alert.starts_at) in doubtful and _key(alert) in active
            ]
            if believed:
                await self._record(completed(delivery, believed, answer.asked, what="refired"))
                doubtful -= {(alert.fingerprint, alert.starts_at) for alert in believed}
        failures = _failures(answers)
        if doubtful and failures:
            text = f"a late firing could not be checked, so that it stays recorded only: {failures}"
            async with self._database.transaction() as transaction:
                outcome.unanswered += [
                    Event(at=self._now(), kind=Kind.ALERT_UNDECIDED, text=text, incident_id=incident, alert_id=alert)
                    for alert, incident in await closing.names_of(transaction, doubtful)
                ]

    async def _complete(self, delivery: Delivery, inquiry: Inquiry, outcome: _Outcome) -> None:
        """Record what a truncated group has beside what was told."""
        answers = await self._ask(lambda client: client.group(delivery.group_labels, receiver=delivery.receiver))
        told = {_key(alert) for alert in delivery.alerts}
        more = 0
        for answer in answers:
            rest = [one.alert for one in answer.held if _key(one.alert) not in told]
            if rest:
                await self._record(completed(delivery, await self._exact(rest), answer.asked, what="rest"))
                told |= {_key(alert) for alert in rest}
                more += len(rest)
        answered = any(not answer.failure for answer in answers)
        if answered:
            text = f"{inquiry.truncated} alerts of the group were not told; asking brought {more} that fire"
            outcome.said += await self._about_incidents(delivery, Kind.GROUP_COMPLETED, text)
        else:
            why = _failures(answers) or "alertmanager.url is not set"
            text = f"{inquiry.truncated} alerts of the group were not told, and could not be asked for: {why}"
            outcome.unanswered += await self._about_incidents(delivery, Kind.GROUP_INCOMPLETE, text)

    async def _exact(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Give alerts that are known already the start by which they are known; the API's is cut short."""
        async with self._database.transaction() as transaction:
            known = await closing.starts_of(
                transaction,
                {alert.fingerprint for alert in alerts},
                since=min(alert.starts_at for alert in alerts),
                until=max(alert.starts_at for alert in alerts) + timedelta(milliseconds=1),
            )
        exact = {(fingerprint, api_start(starts_at)): (starts_at, text) for fingerprint, starts_at, text in known}
        given = [(alert, *exact.get(_key(alert), (alert.starts_at, alert.starts_at_text))) for alert in alerts]
        return [replace(alert, starts_at=starts_at, starts_at_text=text) for alert, starts_at, text in given]

    async def _about_incidents(self, delivery: Delivery, kind: Kind, text: str) -> list[Event]:
        """Write an event for each incident that a delivery is about."""
        async with self._database.transaction() as transaction:
            keys = [(alert.fingerprint, alert.starts_at) for alert in delivery.alerts]
            found = {incident for _, incident in await closing.names_of(transaction, keys) if incident is not None}
        detail = {"delivery": str(delivery.key), "truncated": delivery.truncated_alerts}
        return [
            Event(at=self._now(), kind=kind, text=text, incident_id=number, detail=detail) for number in sorted(found)
        ]

    async def _ask(self, question: Callable[[AlertmanagerClient], Awaitable[list[HeldAlert]]]) -> list[_Answer]:
        return list(await asyncio.gather(*(self._ask_one(client, question) for client in self._clients)))

    async def _ask_one(
        self, client: AlertmanagerClient, question: Callable[[AlertmanagerClient], Awaitable[list[HeldAlert]]]
    ) -> _Answer:
        # Taken before the question: whatever is resolved while it travels is newer than the answer.
        asked = Asked(at=self._now(), peer=client.url)
        try:
            return _Answer(asked=asked, held=await question(client))
        except AlertmanagerError as error:
            return _Answer(asked=asked, failure=str(error))


def _key(alert: Alert) -> tuple[str, datetime]:
    """Name an occurrence as roughly as the API does."""
    return alert.fingerprint, api_start(alert.starts_at)


def _failures(answers: Sequence[_Answer]) -> str:
    return "; ".join(answer.failure for answer in answers if answer.failure)
