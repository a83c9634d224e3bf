"""What was decided about an incident, in a few lines for whoever asks in Slack; `receiver why` tells all of it."""

from collections.abc import Iterator, Sequence
from typing import Final

from receiver.model.remediation import Run, RunState
from receiver.store.database import Transaction
from receiver.store.history import decisions, remediations
from receiver.store.history.decisions import DecisionFilter, Recorded

MOST: Final = 6
"""Of different decisions, and of runs: the newest."""
LONGEST: Final = 220
"""Characters of one line, so that all of them stay below what a press may be told."""
_READ: Final = 100


async def explained(tx: Transaction, incident_id: int) -> str:
    """Say what each playbook decided about an incident and why, each reason once, and what its runs came to."""
    page = await decisions.page(tx, DecisionFilter(incident_id=incident_id), limit=_READ)
    runs = await remediations.of_incident(tx, incident_id)
    if not page.items and not runs:
        return (
            f"No playbook has decided anything about incident {incident_id}: none is for such an alert, or it was not "
            "looked at yet."
        )
    lines = [*_decided(page.items), *map(_ran, sorted(runs, key=lambda run: run.id)[-MOST:])]
    return "\n".join([f"Why, of incident {incident_id}:", *lines, f"All of it: receiver why {incident_id}"])


def _decided(newest_first: Sequence[Recorded]) -> Iterator[str]:
    """Say each different decision once, the oldest first, with how many alerts it was made for."""
    alike: dict[tuple[str, str, str], list[Recorded]] = {}
    for one in newest_first:
        decision = one.decision
        guard = next((check.guard for check in decision.checks if not check.passed), "")
        outcome = decision.outcome.value if decision.outcome else ""
        if one.run_id is None:
            alike.setdefault((decision.playbook, outcome, guard), []).append(one)
    for (playbook, outcome, guard), made in reversed(list(alike.items())[:MOST]):
        newest = made[0]
        checks = [check for check in newest.decision.checks if check.guard == guard and not check.passed]
        measured = "".join(f" (measured {check.measured}, limit {check.limit})" for check in checks[:1])
        count = f" {len(made)} times" if len(made) > 1 else ""
        yield _line(f"• {newest.at:%H:%M} {playbook}: {outcome}{count}. {newest.decision.reason}{measured}")


def _ran(run: Run) -> str:
    if run.state is not RunState.FINISHED:
        step = f"at step {min(run.cursor + 1, len(run.steps))} of {len(run.steps)}"
        return _line(f"• {run.started_at:%H:%M} {run.playbook}: run {run.id} ({run.mode.value}) is {step}.")
    outcome = run.outcome.value if run.outcome else "ended"
    return _line(f"• {run.started_at:%H:%M} {run.playbook}: run {run.id} ({run.mode.value}) {outcome}. {run.reason}")


def _line(text: str) -> str:
    """Bring a line into one, and to its length."""
    whole = " ".join(text.split())
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"
