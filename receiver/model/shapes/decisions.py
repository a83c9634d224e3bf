"""What was decided about an alert, and why."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.remediation import Mode, Outcome
from receiver.model.shapes.parts import CheckShape, LossShape, TargetShape


class DecisionShape(Struct, frozen=True, kw_only=True):
    """What one playbook decided about one firing of one alert."""

    id: int
    at: datetime
    incident_id: int
    alert_id: str
    firing: Annotated[int, Meta(description="Which firing of the occurrence, from 1.")]
    playbook: str
    version: str
    mode: Mode
    target: TargetShape | None
    outcome: Annotated[Outcome | None, Meta(description="Null when a remediation goes ahead.")]
    reason: Annotated[str, Meta(description="One sentence for people.")]
    checks: Annotated[list[CheckShape], Meta(description="Each guard that was asked, in order.")]
    would: Annotated[list[str], Meta(description="The steps that it takes, or in dry run would have taken.")]
    loss: Annotated[LossShape | None, Meta(description="What its steps destroy; null where they destroy nothing.")]
    run_id: int | None
