"""The last look before a run's first effect: pauses and storms reach what was decided and has not acted yet.

What has acted is carried to its end, whatever comes.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from receiver.model.incident import Occurrence
from receiver.model.remediation import Check, Outcome, Run
from receiver.pipeline.gathering import join
from receiver.pipeline.guarding import targets_of
from receiver.pipeline.rooms import Rooms
from receiver.remediate.attempt import SETTLE
from receiver.remediate.course import has_acted
from receiver.remediate.guards import GuardFacts, Question
from receiver.remediate.guards.fleet import storm
from receiver.remediate.tick import Finished, Wait
from receiver.store import decisions, pauses, standings
from receiver.store.database import Transaction
from receiver.store.history import decisions as history, incidents

_AGAIN: Final = timedelta(minutes=1)
"""How late a run may notice that somebody has resumed."""


async def moment(rooms: Rooms, transaction: Transaction, run: Run) -> datetime:
    """Read the clock for a run that is about to take an effect; before its first one, once nobody can pause any more.

    What is paused later than that is paused after the effect was written down.
    """
    if not has_acted(run):
        await pauses.hold(transaction)
    return rooms.now()


async def held_back(
    rooms: Rooms, transaction: Transaction, run: Run, alert: Occurrence, now: datetime
) -> Wait | Finished | None:
    """Say what becomes of a run that is about to take its first effect and must not; None when it may go on.

    It waits while everything is paused. It is over where a storm has come up since it was decided: deliveries come one
    after the other, and the first of many workflows look like the only ones. An attempt in vain is no effect.

    *now* is the `moment`: nobody can pause from then until the transaction ends, so that after a pause no first effect
    is written down.
    """
    if has_acted(run):
        return None
    found = await pauses.current(transaction, now)
    if found:
        ends = [pause.expires_at for pause in found if pause.expires_at is not None]
        text = "; ".join(f"{pause.paused_by} has paused everything: {pause.reason}" for pause in found)
        return Wait(until=min([now + _AGAIN, *ends]), vars=run.vars, text=text)
    end = await _in_storm(rooms, transaction, run, alert, now)
    settled_at = run.journal[-1].started_at + SETTLE if run.journal else now
    if end is not None and now < settled_at:
        # An attempt that was refused, or not answered, may still take effect: then the run has acted, and goes on.
        return Wait(until=settled_at, vars=run.vars, text=f"An attempt may still take effect; then: {end.text}")
    return end


async def _in_storm(
    rooms: Rooms, transaction: Transaction, run: Run, alert: Occurrence, now: datetime
) -> Finished | None:
    playbook = next((one for one in rooms.playbooks if one.name == run.playbook), None)
    if playbook is None:
        return None
    await decisions.lock_scopes(transaction, standings.scope_of(playbook.name))
    facts = GuardFacts(now=now, targets=await targets_of(transaction, playbook, now))
    verdict = storm(Question(playbook=playbook, alert=alert, workflow=None, facts=facts))
    if verdict.passed:
        return None
    text = f"Guard {verdict.guard} refused before the first effect: {verdict.reason}. Nothing was changed."
    return Finished(outcome=Outcome.BLOCKED, text=text, vars=run.vars, refused_by=verdict)


async def refuse(
    rooms: Rooms, transaction: Transaction, run: Run, verdict: Check, *, reason: str, at: datetime
) -> None:
    """Let the decision from which a run follows say that a guard refused after all, and tell of it with its like.

    Args:
        rooms: Where everything is.
        transaction: It ends the run, and holds the playbook's scope, as `held_back` does.
        run: What is not to act.
        verdict: What the guard said; it takes the place of what the guard said when it let the run begin.
        reason: One sentence or more for people.
        at: The present time.
    """
    decision = await history.of_run(transaction, run)
    incident = await incidents.get(transaction, run.incident_id)
    if decision is None or incident is None:
        return
    checks = [*(check for check in decision.checks if check.guard != verdict.guard), verdict]
    refused = replace(decision, outcome=Outcome.BLOCKED, reason=reason, checks=checks)
    await decisions.refuse(transaction, run.id, refused)
    await join(rooms, transaction, incident, refused, at)
