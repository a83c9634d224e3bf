"""What a playbook acts on where that is no workflow: a Deployment, such as an agent's, named by labels of the alert."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from receiver.model.incident import Occurrence, Subject
from receiver.model.manual import DEPLOYMENT, request_of

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PLACE: Final = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


class Aim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What it acts on, in the namespace of the alert."""

    deployment: str
    """Its name; a label of the alert may stand in braces: `{agent_type}-agent`. What comes out must be a name."""

    def __post_init__(self) -> None:
        """Refuse what can be no name whatever the labels say."""
        if not may_name(self.deployment):
            raise ValueError(f"{self.deployment!r} gives no name that Kubernetes allows")


def aimed_at(aim: Aim | None, subject: Subject, labels: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Name what a playbook would act on because of an alert: cluster, namespace, name; None where the alert does not.

    Args:
        aim: What the playbook names; None where it acts on the workflow that the alert is about.
        subject: What the alert is about.
        labels: All its labels.
    """
    name = subject.workflow if aim is None else filled(aim.deployment, labels)
    return (subject.cluster, subject.namespace, name) if name else None


def name_of(aim: Aim, alert: Occurrence) -> str | None:
    """Name the Deployment that a playbook acts on because of an alert, or that a person named; None where none is."""
    if request_of(alert.id) is None:
        return filled(aim.deployment, alert.labels)
    asked = alert.labels.get(DEPLOYMENT, "")
    return asked if may_give(aim.deployment, asked) else None


def may_name(pattern: str) -> bool:
    """Answer whether a pattern can give a name that Kubernetes allows."""
    return _NAME.fullmatch(_PLACE.sub("x", pattern)) is not None


def may_give(pattern: str, name: str) -> bool:
    """Answer whether a pattern gives a name for some labels: so far reaches a playbook, also by hand."""
    between = map(re.escape, _PLACE.split(pattern)[::2])
    return _NAME.fullmatch(name) is not None and re.fullmatch(".+".join(between), name) is not None


def filled(pattern: str, labels: Mapping[str, str]) -> str | None:
    """Put labels into a name; None where one is missing, or what comes out is no name: labels are anybody's words."""
    if any(label not in labels for label in _PLACE.findall(pattern)):
        return None
    name = _PLACE.sub(lambda found: labels[found[1]], pattern)
    return name if _NAME.fullmatch(name) else None
