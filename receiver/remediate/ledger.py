"""What a backtest would have done so far, kept as guards want to count it. Pure; the clock is virtual."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from receiver.model.backtest import Past, PastAlert
from receiver.model.remediation import RunId
from receiver.model.standing import Pause, Standing
from receiver.model.workflow import Workflow
from receiver.remediate.aim import aimed_at
from receiver.remediate.guards import GuardFacts
from receiver.remediate.guards.fleet import RADIUS_WINDOW
from receiver.remediate.language import Playbook
from receiver.remediate.limits import Storm

_ENOUGH: Final = 1000
"""Workflows at once: whether there were more, no storm brake asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What of the settings guards ask for; those of today, since history does not hold them.

    Attributes:
        allows: Says whether playbooks may act in a namespace.
        opt_in: Whether workflows have to agree by their label.
    """

    allows: Callable[[str], bool]
    opt_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A run that would have been.

    Attributes:
        until: When it would have ended at the latest.
    """

    number: RunId
    begun_at: datetime
    until: datetime
    lineage: str
    namespace: str


@dataclass(slots=True)
class Ledger:
    """All runs that would have been, and what guards would have counted."""

    playbook: Playbook
    past: Past
    world: World
    slots: list[Slot] = field(default_factory=list)
    _acts: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    _ended: dict[str, str] = field(default_factory=dict)
    _heard: list[datetime] = field(init=False)

    def __post_init__(self) -> None:
        """Know when alerts were heard of."""
        self._heard = [one.alert.first_seen_at for one in self.past.alerts]

    @property
    def longest(self) -> timedelta:
        """How long a run takes at most, by the limits of its steps, where no person is waited for."""
        return sum((step.action.longest(step.params) for step in self.playbook.steps), timedelta())

    def take(self, workflow: Workflow, lineage: str, at: datetime) -> None:
        """Write down that a run would have begun."""
        slot = Slot(
            number=RunId(len(self.slots) + 1),
            begun_at=at,
            until=at + self.longest,
            lineage=lineage,
            namespace=workflow.namespace,
        )
        self.slots.append(slot)
        self._acts[lineage].append(at)
        self._ended[workflow.uid] = f"virtual run {slot.number}"

    def facts(self, past: PastAlert, workflow: Workflow | None, unread: str, at: datetime) -> GuardFacts:
        """Give what the guards would have read at a time."""
        guards, lineage = self.playbook.guards, past.lineage or None
        namespace = workflow.namespace if workflow else past.alert.subject.namespace
        touched = self._touched(namespace, lineage or "", at)
        radius = guards.radius
        return GuardFacts(
            now=at,
            targets=self._targets(guards.storm_limit, at),
            pauses=self._pauses(at),
            missing="",
            standing=Standing(playbook=self.playbook.name),
            failures=0,
            namespace_allowed=self.world.allows(namespace),
            opt_in=self.world.opt_in,
            lineage=lineage,
            acts=tuple(act for act in self._acts.get(lineage or "", ()) if act >= at - guards.lookback),
            unfinished_runs=tuple(slot.number for slot in self._holding(at) if slot.lineage == lineage),
            superseded_by=self._superseding(workflow, at),
            workflow_error=unread,
            running=len(self._holding(at)),
            spent=self._spent(at),
            touched=touched,
            # So few are allowed whatever the number of workflows was; beyond that, nobody knows it any more.
            workflows=0 if radius is not None and touched + 1 <= radius.min else None,
        )

    def _holding(self, at: datetime) -> Sequence[Slot]:
        return [slot for slot in self._since(at - self.longest) if slot.until > at]

    def _spent(self, at: datetime) -> int:
        budget = self.playbook.guards.budget
        per = budget.per if budget else timedelta()
        return sum(slot.until > at or slot.begun_at > at - per for slot in self._since(at - max(per, self.longest)))

    def _touched(self, namespace: str, lineage: str, at: datetime) -> int:
        since = self._since(at - max(RADIUS_WINDOW, self.longest))
        recent = (slot for slot in since if slot.until > at or slot.begun_at > at - RADIUS_WINDOW)
        return len({slot.lineage for slot in recent if slot.namespace == namespace and slot.lineage != lineage})

    def _since(self, begin: datetime) -> list[Slot]:
        """Give the runs that began at or after a time; they stand in that order."""
        first = len(self.slots)
        while first and self.slots[first - 1].begun_at >= begin:
            first -= 1
        return self.slots[first:]

    def _superseding(self, workflow: Workflow | None, at: datetime) -> str:
        if workflow is None:
            return ""
        really = self.past.ended.get(workflow.uid)
        return "a run that really acted on it" if really and really <= at else self._ended.get(workflow.uid, "")

    def _targets(self, brake: Storm | None, at: datetime) -> int | None:
        if brake is None:
            return None
        first = bisect_right(self._heard, at - brake.within - self.playbook.on.for_)
        last = bisect_right(self._heard, at)
        matching: set[tuple[str, str, str]] = set()
        for one in self.past.alerts[first:last]:
            named = aimed_at(self.playbook.target, one.alert.subject, one.alert.labels)
            if named is not None and (one.over_at is None or one.over_at > at):
                matching.add(named)
            if len(matching) >= _ENOUGH:
                break
        return len(matching)

    def _pauses(self, at: datetime) -> tuple[Pause, ...]:
        return tuple(
            pause
            for pause, ended_at in self.past.pauses
            if pause.paused_at <= at
            and (pause.expires_at is None or pause.expires_at > at)
            and (ended_at is None or ended_at > at)
        )
