"""Compares what is firing here with what Alertmanager has, and with the workflows themselves, each minute."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from receiver.clients.alertmanager import AlertmanagerClient, HeldAlert
from receiver.clients.kubernetes import Cluster
from receiver.model.errors import AlertmanagerError, ClusterError, NotFound, ReceiverError
from receiver.model.matcher import Matcher, all_match
from receiver.model.peer import Candidate, Peer, Sighting
from receiver.model.timeline import Event, Kind
from receiver.store import closing, peers, timeline
from receiver.store.closing import Conclusion
from receiver.store.database import Database
from receiver.store.jobs import Queue
from receiver.store.turns import Turn, alone
from receiver.upkeep import absence
from receiver.upkeep.absence import Key, Verdict
from receiver.upkeep.settlement import settled_by

log = structlog.get_logger()

_MOST: Final = 30_000
"""Firing occurrences that are compared in one round."""
_CLOSED_AT_ONCE: Final = 500
_TWIN: Final = "it was learnt of by asking, and has been told since with its exact start, as another occurrence"
_WORKFLOWS: Final = 50
"""Workflows that are looked at in one round."""
_EARLY: Final = timedelta(seconds=5)
"""Replicas do not wake at the same moment; so much earlier than its interval a round may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How Alertmanager is asked.

    Attributes:
        interval: Between two rounds.
        group_interval: The longest `group_interval` of the routes that lead here.
        matchers: Which occurrences come from the configured peers; none means all.
        ended_with_workflow: Names of alerts that cannot be true of a finished workflow.
    """

    interval: timedelta
    group_interval: timedelta
    matchers: Sequence[Matcher] = ()
    ended_with_workflow: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one peer answered: its alerts, or why there are none."""

    peer: Peer
    held: Sequence[HeldAlert]


class Reconciler:
    """One replica's part in comparing; only one compares at a time.

    Args:
        database: Where occurrences are.
        queue: Looks at incidents that changed are enqueued here.
        clients: The peers.
        cluster: Where the workflows are; None where none is configured.
        habits: How often, and what.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        clients: Sequence[AlertmanagerClient],
        cluster: Cluster | None,
        habits: Habits,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._queue = queue
        self._clients = clients
        self._cluster = cluster
        self._habits = habits
        self._now = now

    async def run(self) -> None:
        """Compare until cancelled. A round that fails costs nothing: nothing is concluded, and the next one comes."""
        while True:
            try:
                await self.round()
                await self.settle()
            except ReceiverError as error:
                log.warning("reconciling", action="round_failed", error=str(error))
            await asyncio.sleep(self._habits.interval.total_seconds())

    async def round(self) -> list[Conclusion]:
        """Ask all peers once, if nobody has just done so, and draw the conclusions; returns what was closed.

        Raises:
            StoreError: The database failed; nothing was concluded.
        """
        if not self._clients:
            return []
        async with alone(self._database, Turn.RECONCILE) as ours:
            if not ours:
                return []
            now = self._now()
            async with self._database.transaction() as transaction:
                known = await peers.known(transaction, [client.url for client in self._clients])
            if any(now - peer.asked_at < self._habits.interval - _EARLY for peer in known.values()):
                return []
            answers = await asyncio.gather(*(self._ask(client, known.get(client.url)) for client in self._clients))
            return await self._conclude(answers, now)

    async def settle(self) -> list[Conclusion]:
        """Close the alerts about unfinished workflows whose workflow is finished; returns what was closed.

        Raises:
            StoreError: The database failed; nothing was concluded.
        """
        names = self._habits.ended_with_workflow
        if self._cluster is None or not names:
            return []
        async with alone(self._database, Turn.RECONCILE) as ours:
            if not ours:
                return []
            now = self._now()
            async with self._database.transaction() as transaction:
                candidates = await closing.about_workflows(transaction, names, most=_WORKFLOWS)
            found = [await self._settled(self._cluster, one, now) for one in candidates]
            conclusions = [one for one in found if one is not None]
            return await self._close(conclusions, now) if conclusions else []

    async def _ask(self, client: AlertmanagerClient, before: Peer | None) -> Answer:
        """Ask one peer; its alerts first, so that a start in between is seen in its status."""
        now = self._now()
        try:
            held = await client.alerts()
            status = await client.status()
        except AlertmanagerError as error:
            if before is None or not before.error:
                log.warning("reconciling", action="peer_silent", peer=client.url, error=str(error))
            return Answer(peer=absence.peer_after(before, client.url, str(error), now), held=())
        return Answer(peer=absence.peer_after(before, client.url, status, now), held=held)

    async def _conclude(self, answers: Sequence[Answer], now: datetime) -> list[Conclusion]:
        asked = [answer.peer for answer in answers]
        async with self._database.transaction() as transaction:
            await peers.keep(transaction, asked, now)
            candidates = await closing.unheard(transaction, now - absence.SETTLED, most=_MOST)
            remembered = await peers.sightings(transaction)
        theirs = [one for one in candidates if all_match(self._habits.matchers, one.labels)]
        judged = self._judge(theirs, remembered, answers, now)
        gone = [
            Conclusion(
                candidate=one,
                cause="absent",
                reason=absence.reason_of(one, sighting, asked, now),
                ends_at=sighting.missing_since or now,
            )
            for one, sighting, verdict in judged
            if verdict is Verdict.GONE
        ] + [
            Conclusion(candidate=one, cause="twin", reason=_TWIN, ends_at=one.starts_at)
            for one, _, verdict in judged
            if verdict is Verdict.TWIN
        ]
        closed = await self._close(gone[:_CLOSED_AT_ONCE], now) if gone else []
        over = {one.candidate.key for one in closed}
        news = {one.key: Sighting() if one.key in over else sighting for one, sighting, _ in judged}
        # What fires no more, or was told of again, is not judged and not remembered.
        stale = {key: Sighting() for key in remembered.keys() - news.keys()}
        changed = {key: sighting for key, sighting in news.items() if sighting != remembered.get(key, Sighting())}
        async with self._database.transaction() as transaction:
            await peers.remember(transaction, {**stale, **changed})
            await timeline.add(transaction, *_notes(judged, now))
        return closed

    def _judge(
        self,
        candidates: Sequence[Candidate],
        remembered: Mapping[Key, Sighting],
        answers: Sequence[Answer],
        now: datetime,
    ) -> list[tuple[Candidate, Sighting, Verdict]]:
        counts = not absence.objection([answer.peer for answer in answers], now)
        complete = all(not answer.peer.error for answer in answers)
        presence = absence.presence_of(answer.held for answer in answers)
        newest = absence.newest_starts(candidates)
        judged = []
        for one in candidates:
            before = remembered.get(one.key, Sighting())
            sighting, verdict = absence.judge(
                one,
                before,
                presence,
                newest=newest[one.fingerprint],
                counts=counts,
                now=now,
                group_interval=self._habits.group_interval,
            )
            if not complete and verdict in {Verdict.SUPPRESSED, Verdict.UNSUPPRESSED}:
                # The peer that did not answer may see it otherwise; say nothing that the next round takes back.
                sighting, verdict = Sighting(suppressed_by=before.suppressed_by), Verdict.THERE
            judged.append((one, sighting, verdict))
        return judged

    async def _close(self, conclusions: Sequence[Conclusion], now: datetime) -> list[Conclusion]:
        async with self._database.transaction() as transaction:
            closed = await closing.close(transaction, self._queue, conclusions, now)
        for one in closed:
            log.info("reconciling", action="alert_closed", alert_id=one.candidate.id, cause=one.cause)
        return closed

    async def _settled(self, cluster: Cluster, candidate: Candidate, now: datetime) -> Conclusion | None:
        try:
            workflow = await cluster.get_workflow(candidate.namespace, candidate.workflow)
        except NotFound:
            return settled_by(candidate, None, now)
        except ClusterError as error:
            log.warning("reconciling", action="workflow_unread", alert_id=candidate.id, error=str(error))
            return None
        return settled_by(candidate, workflow, now)


def _notes(judged: Sequence[tuple[Candidate, Sighting, Verdict]], now: datetime) -> list[Event]:
    """Tell in the timeline which alerts people are not told of any more, and of which they are again."""
    said = {
        Verdict.SUPPRESSED: (Kind.ALERT_SUPPRESSED, "Alertmanager still has {name} and tells nobody of it"),
        Verdict.UNSUPPRESSED: (Kind.ALERT_UNSUPPRESSED, "Alertmanager tells of {name} again"),
    }
    events = []
    for one, sighting, verdict in judged:
        if verdict in said:
            kind, sentence = said[verdict]
            text = sentence.format(name=one.alertname or "an alert without a name")
            by = {"suppressed_by": list(sighting.suppressed_by)}
            events.append(Event(at=now, kind=kind, text=text, incident_id=one.incident_id, alert_id=one.id, detail=by))
    return events
