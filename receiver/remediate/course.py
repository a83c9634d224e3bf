"""How far a run has come: whether it changed anything, and whether it has ended what it still has to bring back."""

from receiver.model.remediation import Run
from receiver.remediate.actions import effect
from receiver.remediate.facts import verb_at


def has_acted(run: Run) -> bool:
    """Answer whether a step was passed that changed what the run acts on."""
    passed = (effect(verb_at(run, cursor)) for cursor in range(run.cursor))
    return any(found is not None and found.on_target for found in passed)


def has_ended(run: Run) -> bool:
    """Answer whether the run has ended the very workflow that its alert was about."""
    passed = (effect(verb_at(run, cursor)) for cursor in range(run.cursor))
    return any(found is not None and bool(found.made_good_by) for found in passed)


def is_midway(run: Run) -> bool:
    """Answer whether the run has ended something that a step still ahead makes good: now nothing may stop it."""
    ahead = {verb_at(run, cursor) for cursor in range(run.cursor, len(run.steps))}
    return any(_made_good_by(verb_at(run, cursor)) in ahead for cursor in range(run.cursor))


def _made_good_by(verb: str) -> str:
    found = effect(verb)
    return (found.made_good_by if found else "") or "nothing"
