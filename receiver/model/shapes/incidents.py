"""Incidents, and the story of one."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from receiver.model.finding import FindingState
from receiver.model.incident import IncidentState
from receiver.model.shapes.alerts import AlertShape
from receiver.model.shapes.remediations import RunShape


class IncidentShape(Struct, frozen=True, kw_only=True):
    """One story."""

    id: int
    state: IncidentState
    title: Annotated[str, Meta(description="One line for people; quotes alerts, so it is not to be trusted.")]
    severity: Annotated[str, Meta(description="The worst among its alerts.")]
    cluster: str
    namespace: str
    workflow: str
    agent: str
    opened_at: datetime
    closed_at: datetime | None
    quiet_since: Annotated[datetime | None, Meta(description="Since when none of its alerts fires.")]
    flaps: Annotated[int, Meta(description="How often it began to fire again before it was over.")]
    previous_id: Annotated[int | None, Meta(description="The incident about the same that was over before.")]
    acknowledged_by: Annotated[str, Meta(description="Who took it on last; empty while nobody has.")]
    acknowledged_at: Annotated[datetime | None, Meta(description="When; null while nobody has.")]
    merged_into: Annotated[int | None, Meta(description="The incident in which it goes on, if it is about the same.")]
    part_of: Annotated[int | None, Meta(description="The incident that tells people of it together with others.")]


class FindingShape(Struct, frozen=True, kw_only=True):
    """What one source said when the incident was looked at."""

    source: str
    state: FindingState
    summary: Annotated[str, Meta(description="One line for people; not to be trusted.")]
    detail: Annotated[dict[str, Any], Meta(description="The answer itself; depends on the source.")]
    took_seconds: float


class StoryShape(IncidentShape, frozen=True, kw_only=True):
    """One story with all that is known."""

    alerts: Annotated[list[AlertShape], Meta(description="Oldest first; of very many, the newest 500.")]
    findings: Annotated[list[FindingShape], Meta(description="The newest answer of each source.")]
    remediations: Annotated[list[RunShape], Meta(description="Oldest first.")]
