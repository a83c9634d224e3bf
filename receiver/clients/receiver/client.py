"""One service with all its subjects."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from receiver.clients.receiver.alerts import Alerts
from receiver.clients.receiver.archives import Archives
from receiver.clients.receiver.incidents import Incidents
from receiver.clients.receiver.letters import DeadLetters, Outbox
from receiver.clients.receiver.playbooks import Playbooks
from receiver.clients.receiver.questions import API, Questions
from receiver.clients.receiver.remediations import Remediations
from receiver.model.errors import RemoteError
from receiver.model.history import Step
from receiver.model.remediation import Outcome
from receiver.model.shapes.decisions import DecisionShape
from receiver.model.shapes.parts import Items
from receiver.model.shapes.requests import RequestShape
from receiver.model.shapes.stats import StatsShape

_NEEDED: Final = ("database", "migrations")
_PAUSE: Final = timedelta(seconds=2)
_REMEMBERED: Final = 1000
"""Lines of the timeline that are known when they come a second time: a resumed stream begins where all was settled."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline, as the stream of events tells it."""

    id: int
    at: datetime
    kind: str
    text: str
    incident_id: int | None = None
    alert_id: str | None = None
    run_id: int | None = None
    detail: dict[str, Any] = {}


class _Condition(msgspec.Struct, frozen=True, kw_only=True):
    state: str


class _Readiness(msgspec.Struct, frozen=True, kw_only=True):
    checks: dict[str, _Condition]


class ReceiverClient:
    """One service, as the holder of one token.

    Args:
        url: Where it answers, such as `https://receiver.example.org`.
        token: A bearer token with the role that is needed; empty for a service on this machine that has none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._questions = Questions(url.rstrip("/"), token)
        self.alerts = Alerts(self._questions)
        self.incidents = Incidents(self._questions)
        self.remediations = Remediations(self._questions)
        self.playbooks = Playbooks(self._questions)
        self.archives = Archives(self._questions)
        self.outbox = Outbox(self._questions)
        self.deadletters = DeadLetters(self._questions)

    async def decisions(
        self,
        *,
        alert: str | None = None,
        incident: int | None = None,
        playbook: str | None = None,
        outcome: Outcome | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[DecisionShape]:
        """List decisions that all filters want, newest first."""
        wanted = {"alert": alert, "incident": incident, "playbook": playbook, "outcome": outcome}
        path = f"{API}/decisions"
        return await self._questions.read(path, Items[DecisionShape], **wanted, limit=limit, cursor=cursor)

    async def request(self, number: int) -> RequestShape | None:
        """Say how a request stands that somebody asked for."""
        return await self._questions.get(f"{API}/requests/{number}", RequestShape)

    async def stats(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        step: Step | None = None,
        alertname: str | None = None,
        severity: str | None = None,
        namespace: str | None = None,
        workflow: str | None = None,
        top: int | None = None,
    ) -> StatsShape:
        """Count what happened over time; without more, of the last day by the hour."""
        wanted = {
            "since": since,
            "until": until,
            "step": step,
            "alertname": alertname,
            "severity": severity,
            "namespace": namespace,
            "workflow": workflow,
            "top": top,
        }
        return await self._questions.read(f"{API}/stats", StatsShape, **wanted)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[AsyncIterator[Happening]]:
        """Follow the timeline: what happens after this was entered is told, until it is left.

        Raises:
            RemoteError: The service refuses, does not answer, or ends the stream.
        """
        async with self._questions.lines(f"{API}/events/stream") as lines:
            yield (msgspec.json.decode(line, type=Happening) async for _, line in lines)

    async def heard(
        self, trouble: Callable[[RemoteError], None], *, pause: timedelta = _PAUSE
    ) -> AsyncIterator[Happening]:
        """Follow the timeline for ever: after a cut it is followed anew from where it broke off, each line told once.

        Args:
            trouble: Told of each cut, and of each attempt that was in vain.
            pause: Between two attempts.

        Raises:
            RemoteError: The service refused, or did not answer, the first time.
        """
        known, last = False, ""
        told: deque[int] = deque(maxlen=_REMEMBERED)
        while True:
            try:
                async with self._questions.lines(f"{API}/events/stream", after=last) as lines:
                    known = True
                    async for number, line in lines:
                        last, happening = number, msgspec.json.decode(line, type=Happening)
                        if happening.id not in told:
                            told.append(happening.id)
                            yield happening
            except RemoteError as error:
                if not known:
                    raise
                trouble(error)
            await asyncio.sleep(pause.total_seconds())

    async def is_ready(self) -> bool:
        """Ask whether questions are answered and deliveries recorded at once, for which a spool is not enough."""
        body = await self._questions.peek("/readyz")
        if body is None:
            return False
        try:
            found = msgspec.json.decode(body, type=_Readiness)
        except msgspec.MsgspecError:
            return False
        return all(name in found.checks and found.checks[name].state == "ok" for name in _NEEDED)

    async def close(self) -> None:
        """Close the connections."""
        await self._questions.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
