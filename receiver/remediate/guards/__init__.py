"""Guards: what must be so before a playbook may begin. Each is asked, and each verdict is kept with what it measured.

The facts are read under a lock by whoever asks; deciding on them is pure. A fact that could not be read refuses. Those
about the fleet as a whole come first, then those about the one workflow, then those that count what was done before.
"""

from collections.abc import Callable, Sequence
from typing import Final

from receiver.model.incident import Occurrence
from receiver.model.remediation import Check, Decision
from receiver.model.workflow import Workflow
from receiver.remediate.guards import fleet, pace, target
from receiver.remediate.guards.question import GuardFacts as GuardFacts, Question as Question
from receiver.remediate.language import Playbook

_GUARDS: Final[tuple[Callable[[Question], Check], ...]] = (
    fleet.storm,
    fleet.paused,
    fleet.not_configured,
    fleet.breaker,
    pace.windows,
    target.namespace,
    target.label,
    target.target,
    target.superseded,
    target.exclusion,
    pace.cooldown,
    pace.attempts,
    pace.concurrency,
    pace.budget,
    fleet.blast_radius,
)

_COMMON: Final = frozenset({"storm", "paused", "breaker", "windows", "concurrency", "budget", "blast_radius"})
"""Guards that refuse because of all workflows together, and not because of the one that is asked about."""


def check(playbook: Playbook, alert: Occurrence, workflow: Workflow | None, facts: GuardFacts) -> tuple[Check, ...]:
    """Ask every guard, in order, also those after a refusal: people read all verdicts at once."""
    question = Question(playbook=playbook, alert=alert, workflow=workflow, facts=facts)
    return tuple(guard(question) for guard in _GUARDS)


def shared_cause(decision: Decision) -> str:
    """Name the guard that refused first, where it did so because of all workflows together; empty otherwise."""
    return _first(decision.checks) if _first(decision.checks) in _COMMON else ""


def _first(checks: Sequence[Check]) -> str:
    return next((verdict.guard for verdict in checks if not verdict.passed), "")
