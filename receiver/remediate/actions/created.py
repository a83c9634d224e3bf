"""What the actions that create something under a name of ours have in common: the name, and what it is told."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from receiver.model.duration import format_duration
from receiver.remediate.actions.action import Turn
from receiver.remediate.facts import entries_at

_LONGEST_NAME: Final = 52
"""A Job's pods add eleven characters to its name, and a label holds 63."""


def name_of(turn: Turn[Any]) -> str:
    """Name what this step creates: the same at each attempt, so that the cluster refuses a second one."""
    ending = f"-{turn.run.id}-{turn.run.cursor}-{turn.target.uid[:8].strip('-')}"
    return f"{turn.run.playbook[: _LONGEST_NAME - len(ending)].rstrip('-')}{ending}"


def told(turn: Turn[Any]) -> dict[str, str]:
    """Give what the created thing is told about why it runs. All of it may have been written by anybody."""
    return {
        "RECEIVER_RUN": str(turn.run.id),
        "RECEIVER_ALERT": turn.facts.alert.alertname,
        "RECEIVER_NAMESPACE": turn.target.namespace,
        "RECEIVER_TARGET": turn.target.name,
        "RECEIVER_TARGET_UID": turn.target.uid,
    }


def manifest(kind: str, version: str, namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Put a specification into an object; its name comes later."""
    whole = {"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace}, "spec": spec}
    return copy.deepcopy(whole)


def overdue(turn: Turn[Any], what: str) -> str:
    """Say that what was begun took longer than the playbook allows; empty while it may go on."""
    entries = entries_at(turn.run, turn.run.cursor)
    begun_at = entries[0].started_at if entries else turn.run.entered_at
    if turn.facts.now < begun_at + turn.params.timeout:
        return ""
    return f"{what} has not ended within {format_duration(turn.params.timeout)}; it goes on by itself."
