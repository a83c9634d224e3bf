"""What PagerDuty is told of remediations: one change event for each run that acted, beside the pages and never one.

Whoever is paged later sees them among the recent changes of the service. The API knows no keys, so that an answer that
was lost may make one twice; `custom_details.id` is the same in both.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from receiver.clients.pagerduty import SUMMARY_LENGTH
from receiver.model.message import Act, Draft, Lane, Place, Priority
from receiver.model.remediation import EntryState, Mode, Run, RunState
from receiver.notify import account
from receiver.notify.routes import Choice
from receiver.notify.situation import Situation
from receiver.notify.words import clean, cut, weblink

_LOOKING: Final = frozenset({"wait", "verify", "approve", "notify", "workflow.archive"})
"""Verbs that change nothing."""
_MOST_STEPS: Final = 20


def drafts(
    situation: Situation,
    choice: Choice,
    taking: Collection[str],
    *,
    through: Callable[[Lane], Lane],
    shadow: bool,
    public_url: str | None,
) -> Iterator[Draft]:
    """Make the change events that were not made yet.

    They go where the routes lead, and where those lead to nobody at PagerDuty, to the address that the incident belongs
    to: what was changed matters there too.

    Args:
        situation: The incident, with its runs.
        choice: Whom the routes tell of it.
        taking: Addresses of PagerDuty that take change events.
        through: Says where messages to a lane of a choice really go.
        shadow: Whether they are only recorded; they then take no key from what is sent later.
        public_url: How people reach Receiver.
    """
    wanted = [lane for lane in choice.lanes if lane.place is Place.PAGERDUTY]
    wanted = wanted or [lane for lane in choice.home if lane.place is Place.PAGERDUTY]
    lanes = [lane for lane in dict.fromkeys(map(through, wanted)) if lane.place is Place.PAGERDUTY]
    lanes = [lane for lane in lanes if lane.address in taking]
    known = {message.draft.key for message in situation.story.messages}
    for run in sorted(situation.story.runs, key=lambda one: one.id):
        if run.state is not RunState.FINISHED or not _acted(run):
            continue
        for lane in lanes:
            name = f"changes:{lane.address}".rstrip(":")
            key = f"{'shadow:' if shadow else ''}{name}:run:{run.id}"
            if key not in known:
                yield Draft(
                    place=Place.CHANGES,
                    address=lane.address,
                    act=Act.CHANGE,
                    key=key,
                    payload=event(situation, run, key=key, public_url=public_url),
                    cause=f"run {run.id} changed something",
                    priority=Priority.OVER,
                )


def event(situation: Situation, run: Run, *, key: str, public_url: str | None) -> dict[str, Any]:
    """Make the event of one run, as JSON values."""
    incident = situation.story.incident
    details: dict[str, Any] = {
        "id": key,
        "run": run.id,
        "incident": incident.id,
        "playbook": account.name(run.playbook),
        "mode": run.mode.value,
        "target": account.target_of(run),
        "started in its place": account.successor_of(run),
        "outcome": run.outcome.value if run.outcome else "",
        "steps": account.steps_of(run)[-_MOST_STEPS:],
        "alert": cut(clean(incident.title), 500),
    }
    timeline = weblink(f"{public_url.rstrip('/')}/api/v1/incidents/{incident.id}/timeline") if public_url else ""
    return {
        "summary": cut(f"{account.deed_of(run)} (run {run.id})", SUMMARY_LENGTH),
        "timestamp": (run.finished_at or run.entered_at).isoformat(),
        "source": "Receiver",
        "custom_details": {name: value for name, value in details.items() if value},
        "links": [{"href": timeline, "text": f"Incident {incident.id}"}] if timeline else [],
    }


def _acted(run: Run) -> bool:
    """Answer whether a run took effect, or may have."""
    effects = (entry for entry in run.journal if entry.action not in _LOOKING)
    return run.mode is not Mode.DRY_RUN and any(entry.state is not EntryState.FAILED for entry in effects)
