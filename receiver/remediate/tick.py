"""What a tick comes to: a step to take, a time to wait for, a step passed, or the end. Each says why, for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receiver.model.remediation import Check, Entry, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An effect that is to be written down and then taken.

    Attributes:
        action: The verb.
        params: Its parameters, as JSON values.
        attempt: Number of this attempt, from 1; part of the journal's key.
        operation: Name of the effect, by which the cluster recognises a repetition.
        intent: What the action has to know again to recognise its effect, as JSON values; written down with the step.
    """

    cursor: int
    action: str
    params: Mapping[str, Any]
    attempt: int
    operation: str
    text: str
    intent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to be done before a time.

    Attributes:
        until: When the run is looked at again, at the latest.
        vars: All variables of the run from now on.
    """

    until: datetime
    vars: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The present step is over, and the next one is due at once.

    Attributes:
        vars: All variables of the run from now on.
        recovered: The journal's entry that turned out to have taken effect; None where no attempt was open.
        result: What is worth keeping about it, as JSON values.
    """

    vars: Mapping[str, Any]
    text: str
    recovered: Entry | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is over.

    Attributes:
        must_page: Something was ended and not made good: people are told, whatever the playbook says.
        vars: All variables of the run from now on.
        refused_by: The guard that refused the first effect after all, which the decision says from then on.
    """

    outcome: Outcome
    text: str
    must_page: bool = False
    vars: Mapping[str, Any] = field(default_factory=dict)
    refused_by: Check | None = None


Tick = Step | Wait | Passed | Finished
