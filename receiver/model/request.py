"""What a person asks for: written down wherever it is asked, acted upon by the pipeline alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any


class Kind(Enum):
    """What is asked for."""

    APPROVE = "approve"
    """Let a run go ahead; counts whenever it comes, also before the run waits for it."""
    REJECT = "reject"
    """Do not let a run go ahead."""
    CANCEL = "cancel"
    """Stop a run, as soon as that is safe."""
    RUN = "run"
    """Let a playbook act on a workflow or a deployment, if its guards agree."""
    BACKTEST = "backtest"
    """Play a playbook against the past."""
    ARCHIVE = "archive"
    """Keep a finished workflow whole on S3."""
    ACKNOWLEDGE = "acknowledge"
    """Take an incident on: somebody has it, and nobody else is woken for it."""
    SILENCE = "silence"
    """Let nobody be told about what an incident is about, for a while."""
    EXPLAIN = "explain"
    """Tell whoever pressed a button in Slack what follows from it, and nobody else."""
    RESTORE = "restore"
    """Create a new workflow out of an archived one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One wish of one person.

    Attributes:
        run_id: The run it is about; None where it is about none (yet).
        asked_by: Name of the token or of the person at Slack.
        detail: What else was said, as JSON values; hostile input.
        answered_at: When the pipeline acted on it; None while it is open.
        answer: What became of it, for people.
    """

    id: int
    at: datetime
    kind: Kind
    run_id: int | None
    asked_by: str
    detail: Mapping[str, Any]
    answered_at: datetime | None
    answer: str
