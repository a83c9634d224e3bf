"""A silence of an incident: which alerts it is about, and how long it may last."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from receiver.model.duration import Duration, format_duration
from receiver.model.incident import Occurrence
from receiver.model.matcher import Matcher, Operator

LONGEST: Final = timedelta(days=7)
"""What is to be quiet for longer is for Alertmanager itself, or for its rule."""

MOST: Final = 20
"""Silences of one incident: as many workflows of one lineage may fire at once. More are made one by one."""


def length_of(text: str) -> Duration:
    """Read how long a silence is to last.

    Raises:
        ValueError: It is no duration, no time at all, or longer than `LONGEST`; the message says so.
    """
    length = Duration.parse(text)
    if not timedelta() < length <= LONGEST:
        raise ValueError(f"{text!r} is not between 1s and {format_duration(LONGEST)}; write one such as 1h, 4h or 1d")
    return length


def matchers_of(alerts: Sequence[Occurrence]) -> list[tuple[Matcher, ...]]:
    """Say by which labels the alerts of an incident are told from all others, one set of matchers for each silence.

    Alerts about a workflow are told by the labels that name it, so that whatever else fires about it is silenced too.
    All others are told by what they have in common.

    Args:
        alerts: Those that fire.

    Raises:
        ValueError: They have nothing in common, or are about more than `MOST` workflows.
    """
    about = [one for one in alerts if _workflow_labels(one)]
    rest = [{pair for pair in one.labels.items() if pair[1]} for one in alerts if not _workflow_labels(one)]
    sets = [_workflow_labels(one) for one in about]
    if rest:
        sets.append(set.intersection(*rest))
    distinct = dict.fromkeys(tuple(sorted(one)) for one in sets)
    if not distinct or () in distinct:
        raise ValueError("its alerts have no label in common; use `receiver silences add`")
    if len(distinct) > MOST:
        raise ValueError(f"it is about {len(distinct)} workflows, more than {MOST}; use `receiver silences add`")
    return [tuple(_equal(labels)) for labels in distinct]


def _workflow_labels(alert: Occurrence) -> set[tuple[str, str]]:
    """Name the workflow by the labels that do; empty where the alert is about none."""
    subject = alert.subject
    if not (subject.workflow and subject.namespace):
        return set()
    named = {subject.cluster, subject.namespace, subject.workflow} - {""}
    return {(name, value) for name, value in alert.labels.items() if value in named}


def _equal(labels: Iterable[tuple[str, str]]) -> Iterable[Matcher]:
    return (Matcher(name=name, operator=Operator.EQUAL, value=value) for name, value in labels)
