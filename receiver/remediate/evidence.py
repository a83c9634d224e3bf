"""When evidence has to be kept before a step, and what follows where it could not be. Pure.

A destructive step is taken only once what it destroys is on record: a workflow that is ended takes its pods' logs with
it. Between the end of a workflow and its new beginning nothing is asked for any more: what was there is kept from
before its end, and nothing may leave it ended.
"""

from datetime import datetime, timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.errors import ReceiverError
from receiver.model.remediation import Mode, Outcome, Run
from receiver.remediate.actions import effect
from receiver.remediate.attempt import backoff, finish
from receiver.remediate.course import is_midway
from receiver.remediate.facts import verb_at
from receiver.remediate.tick import Finished, Wait

PATIENCE: Final = timedelta(minutes=5)
"""How long it is tried to keep evidence: longer than a store of objects is away when it is restarted."""

_SINCE: Final = "unkept_since"
_TRIES: Final = "unkept_tries"


def is_asked(run: Run) -> bool:
    """Answer whether the present step must not be taken before evidence of it is kept."""
    present = effect(verb_at(run, run.cursor))
    return present is not None and present.destructive and run.mode is not Mode.DRY_RUN and not is_midway(run)


def put_off(run: Run, error: ReceiverError, now: datetime) -> Wait | Finished:
    """Say what follows when evidence could not be kept: another try a little later, and in the end none.

    Args:
        run: The run before the step.
        error: Why it could not.
        now: The present time.
    """
    said, tries = run.vars.get(_SINCE), run.vars.get(_TRIES)
    since = datetime.fromisoformat(said) if isinstance(said, str) else now
    number = tries + 1 if isinstance(tries, int) else 1
    if now - since >= PATIENCE:
        text = (
            f"Nothing was done: {verb_at(run, run.cursor)} would destroy what is not kept, and for "
            f"{format_duration(PATIENCE)} the evidence could not be: {error}"
        )
        return finish(run, Outcome.FAILED, text)
    return Wait(
        until=min(now + backoff(number), since + PATIENCE),
        vars={**run.vars, _SINCE: since.isoformat(), _TRIES: number},
        text=f"It waits until the evidence is kept, which could not be done at try {number}: {error}",
    )
