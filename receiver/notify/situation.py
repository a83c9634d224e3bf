"""What a story amounts to at one moment: what fires, what heals it, what failed, who has to decide."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from receiver.model.alert import AlertStatus
from receiver.model.incident import SEVERITIES, IncidentState, Occurrence, worst
from receiver.model.message import Story
from receiver.model.remediation import Decision, EntryState, Mode, Outcome, Run, RunState

SETTLE: Final = timedelta(minutes=15)
"""How long alerts may go on firing after a run has verified that it helped: an evaluation, a `for` or
`keep_firing_for` of some minutes and one `group_interval` (5m by default) until Alertmanager says so."""

FLAPPING: Final = 3
"""So many times firing anew make an incident one that flaps: it is said once, and then counted."""

_FAILED: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
_HARMLESS: Final = frozenset({Outcome.SUCCEEDED, Outcome.SKIPPED})
_ENDS: Final = frozenset({"workflow.terminate", "workflow.stop"})
_RESTARTS: Final = "workflow.resubmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A story, read.

    Attributes:
        alerts: The incident's own alerts, those that fire first, then by severity and age. Alerts that are only a
            consequence of what a run did are not among them.
        fires: Whether any of them fires.
        severity: The worst of their severities.
        healed: The run that was seen to help, as long as nothing speaks against it.
        heal_ends_at: Until when alerts may go on firing without casting doubt on that; None when none fires.
        unfinished: Runs that are under way and may act.
        asking: Those of them that wait for a person to approve.
        failures: Runs that failed and that no later one made good, oldest first.
        refusals: Decisions not to act, oldest first, without those about mere consequences.
        owner: To whom it belongs, as the settings call them; empty where to nobody. Whoever routes it adds it.
    """

    story: Story
    now: datetime
    alerts: tuple[Occurrence, ...]
    fires: bool
    severity: str
    healed: Run | None
    heal_ends_at: datetime | None
    unfinished: tuple[Run, ...]
    asking: tuple[Run, ...]
    failures: tuple[Run, ...]
    refusals: tuple[Decision, ...]
    owner: str = ""

    @property
    def closed(self) -> bool:
        """Whether the incident is over."""
        return self.story.incident.state is IncidentState.CLOSED

    @property
    def firing(self) -> tuple[Occurrence, ...]:
        """Those alerts that fire."""
        return tuple(alert for alert in self.alerts if alert.status is AlertStatus.FIRING)

    @property
    def labels(self) -> Mapping[str, str]:
        """By what the incident is routed: the labels of its worst firing alert, with the incident's severity."""
        labels = dict(self.alerts[0].labels) if self.alerts else {}
        return {**labels, "severity": self.severity} if self.severity else labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Those of the incident's workflow, as it was last seen: they may say to whom it belongs."""
        seen = [one for one in self.story.findings if one.source == "workflow"]
        found = seen[-1].detail.get("annotations") if seen else None
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}

    @property
    def lost(self) -> tuple[Run, ...]:
        """Failures that ended a workflow and did not bring it back."""
        return tuple(run for run in self.failures if is_lost(run))

    @property
    def paging(self) -> tuple[Run, ...]:
        """Failures that wake somebody, whatever the route says."""
        return tuple(run for run in self.failures if run.escalate or is_lost(run))

    @property
    def run(self) -> Run | None:
        """The run that people must know of first."""
        newest = max(self.story.runs, key=lambda run: run.id, default=None)
        first = (*self.lost, *self.asking, *self.unfinished[-1:], *self.failures[-1:])
        return first[0] if first else newest


def assess(story: Story, now: datetime) -> Situation:
    """Read a story as it stands now."""
    alerts = _own_alerts(story)
    fires = _fires(story, alerts)
    active = [run for run in sorted(story.runs, key=lambda run: run.id) if run.mode is not Mode.DRY_RUN]
    unfinished = tuple(run for run in active if run.state is not RunState.FINISHED)
    failures = tuple(run for run in active if _is_failure(run) and not _made_good(run, active))
    healed = None if unfinished or failures else _healer(active, alerts, fires=fires, now=now)
    return Situation(
        story=story,
        now=now,
        alerts=alerts,
        fires=fires,
        severity=worst([alert.severity for alert in alerts]) or story.incident.severity,
        healed=healed,
        heal_ends_at=_settled_at(healed) if healed and fires else None,
        unfinished=unfinished,
        asking=tuple(run for run in unfinished if is_asking(run)),
        failures=failures,
        refusals=tuple(one for one in story.decisions if one.outcome is not None and not is_consequence(one)),
    )


def is_consequence(decision: Decision) -> bool:
    """Answer whether a decision says that its alert only echoes what a run did to the workflow."""
    # Without a target nothing was seen to be replaced: the guard refused because it did not know, and people are told.
    known = decision.target is not None
    return known and any(check.guard == "superseded" and not check.passed for check in decision.checks)


def is_asking(run: Run) -> bool:
    """Answer whether a run waits for a person."""
    return run.state is not RunState.FINISHED and verb_at(run, run.cursor) == "approve"


def is_lost(run: Run) -> bool:
    """Answer whether a finished run ended, or may have ended, a workflow that it did not start again."""
    if run.state is not RunState.FINISHED or run.outcome in _HARMLESS:
        return False
    attempted = [entry for entry in run.journal if entry.action in _ENDS and entry.state is not EntryState.FAILED]
    ended = bool(attempted) or _passed(run, *_ENDS)
    back = any(entry.action == _RESTARTS and entry.state is EntryState.DONE for entry in run.journal)
    return ended and not back and not _passed(run, _RESTARTS)


def verb_at(run: Run, cursor: int) -> str:
    """Name the verb of a step; empty where there is none."""
    return str(run.steps[cursor].get("action", "")) if 0 <= cursor < len(run.steps) else ""


def _passed(run: Run, *verbs: str) -> bool:
    return any(verb_at(run, cursor) in verbs for cursor in range(min(run.cursor, len(run.steps))))


def _own_alerts(story: Story) -> tuple[Occurrence, ...]:
    echoes = {one.alert_id for one in story.decisions if is_consequence(one)}
    ranks = {name: rank for rank, name in enumerate(SEVERITIES)}
    return tuple(
        sorted(
            (alert for alert in story.alerts if alert.id not in echoes),
            key=lambda alert: (
                alert.status is not AlertStatus.FIRING,
                ranks.get(alert.severity, len(ranks)),
                alert.starts_at,
                alert.id,
            ),
        )
    )


def _fires(story: Story, alerts: Sequence[Occurrence]) -> bool:
    if story.incident.state is IncidentState.CLOSED or story.incident.quiet_since is not None:
        return False
    return not story.alerts or any(alert.status is AlertStatus.FIRING for alert in alerts)


def _is_failure(run: Run) -> bool:
    return run.state is RunState.FINISHED and (run.outcome in _FAILED or is_lost(run))


def _made_good(run: Run, runs: Iterable[Run]) -> bool:
    return any(later.id > run.id and later.helped for later in runs)


def _healer(runs: Sequence[Run], alerts: Sequence[Occurrence], *, fires: bool, now: datetime) -> Run | None:
    helped = [run for run in runs if run.helped]
    if not helped:
        return None
    run = helped[-1]
    if not fires:
        return run
    ended_at = run.finished_at or run.entered_at
    anew = any(alert.status is AlertStatus.FIRING and alert.starts_at > ended_at for alert in alerts)
    return None if anew or now >= _settled_at(run) else run


def _settled_at(run: Run) -> datetime:
    return (run.finished_at or run.entered_at) + SETTLE
