"""What was done, step by step, and what a person says about it."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from receiver.model.remediation import EntryState, Mode, Outcome, RunState
from receiver.model.shapes.parts import TargetShape


class EntryShape(Struct, frozen=True, kw_only=True):
    """One attempt at a step."""

    cursor: Annotated[int, Meta(description="Which step, from 0.")]
    attempt: int
    action: str
    state: EntryState
    started_at: datetime
    finished_at: datetime | None
    result: dict[str, Any]
    error: str


class RunShape(Struct, frozen=True, kw_only=True):
    """One remediation, from its decision to its outcome."""

    id: int
    incident_id: int
    alert_id: str
    playbook: str
    version: str
    mode: Mode
    target: TargetShape | None
    state: RunState
    outcome: Annotated[Outcome | None, Meta(description="Null while it is unfinished.")]
    reason: str
    steps: Annotated[list[dict[str, Any]], Meta(description="The playbook's steps as they were when it began.")]
    cursor: Annotated[int, Meta(description="Index of the step that is next.")]
    wake_at: Annotated[datetime | None, Meta(description="When a waiting run is looked at again.")]
    hold_until: Annotated[datetime | None, Meta(description="Until when messages about the incident wait for it.")]
    started_at: datetime
    finished_at: datetime | None
    journal: Annotated[list[EntryShape], Meta(description="All attempts so far, oldest first.")]


class Note(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody asks; may be left out, and so may the whole body."""

    note: Annotated[str, Meta(max_length=500, description="For the record.")] = ""
