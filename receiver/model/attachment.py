"""What may lie beside an archived workflow: the logs of its pods, and the warnings about it. Pure.

Each is an object of its own, whose key follows from that of the workflow: the object of the workflow is the same bytes
with and without them. Nothing is made out of them, and nobody but a person reads them.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from receiver.model.archive import Archived, NotAnArchive, canonical, packed, unpacked
from receiver.model.workflow import Pod, Workflow

_WHOLE: Final = ".json.gz"
_KEY: Final = re.compile(r"[^/]+/[^/]+/[0-9]{8}_[0-9]{6}(-[0-9a-f]{12})?(\.masked)?\.(logs|events)\.json\.gz")
"""What follows the prefix of all archives in the key of an attachment; see `key_of`."""
_MOST_OF_ASKER: Final = 200
_OF_ARGO: Final = frozenset({"init", "wait"})
"""Argo's own containers beside those of the step."""


class Part(StrEnum):
    """What may lie beside a workflow."""

    LOGS = "logs"
    """What its pods have written, as far as they are there still."""
    EVENTS = "events"
    """The warnings about it and its pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One object beside an archived workflow.

    Attributes:
        archived: Beside which.
        part: What it is.
        size: Bytes of the object.
        sha256: Of the object, in hex.
        content: SHA-256 of its canonical JSON, in hex.
    """

    archived: Archived
    part: Part
    size: int
    sha256: str
    content: str

    @property
    def key(self) -> str:
        """Its key in the bucket of the archive."""
        return key_of(self.archived, self.part)

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return f"s3://{self.archived.bucket}/{self.key}"

    def metadata(self, *, by: str, at: datetime) -> dict[str, str]:
        """Say what the object says of itself: beside which state of which workflow it lies, and its hashes."""
        return {
            "workflow-name": self.archived.name,
            "namespace": self.archived.namespace,
            "workflow-uid": self.archived.uid,
            "archive-content-sha256": self.archived.content,
            "part": self.part.value,
            "checksum-sha256": self.sha256,
            "content-sha256": self.content,
            "archived-at": at.astimezone(UTC).isoformat(),
            "archived-by": quote(by[:_MOST_OF_ASKER], safe=" ()@")[:_MOST_OF_ASKER],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLog:
    """What one container wrote.

    Attributes:
        text: Its log, or the end of it; masked.
        size: Bytes of that as the container wrote it.
        left_out: Bytes before that end which were left out.
        missing: Why there is none; empty where there is one.
    """

    container: str
    text: str = ""
    size: int = 0
    left_out: int = 0
    missing: str = ""


def key_of(archived: Archived, part: Part) -> str:
    """Name the object: as that of the workflow, with what it is."""
    return f"{archived.key.removesuffix(_WHOLE)}.{part.value}{_WHOLE}"


def is_key(key: str, prefix: str) -> bool:
    """Say whether an object below the prefix of all archives is one that lies beside a workflow."""
    return _KEY.fullmatch(key.removeprefix(f"{prefix}/")) is not None


def made(archived: Archived, part: Part, found: Mapping[str, Any]) -> tuple[Attachment, bytes]:
    """Make the object out of what was found; gives its bytes too, the same each time.

    Raises:
        NotAnArchive: It is larger than anything that is archived.
    """
    content = canonical({**_about(archived, part), **found})
    body = packed(content)
    return _attachment(archived, part, content, body), body


def seen(archived: Archived, part: Part, body: bytes) -> Attachment:
    """Read an object, and see that it lies beside this very state of this workflow.

    Raises:
        NotAnArchive: It is damaged, or is something else.
    """
    content = unpacked(body)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAnArchive("it is not JSON") from error
    about = _about(archived, part)
    if not isinstance(found, dict) or {name: found.get(name) for name in about} != about:
        raise NotAnArchive(f"it is not the {part.value} of this state of workflow {archived.uid}")
    return _attachment(archived, part, content, body)


def in_turn(pod: Pod) -> list[str]:
    """List the containers of a pod, those of the step itself first: what is bounded is theirs before it is Argo's."""
    return sorted((one.name for one in pod.containers), key=lambda name: (name in _OF_ARGO, name != "main"))


def logs_found(workflow: Workflow, logs: Iterable[tuple[Pod, Sequence[ContainerLog]]]) -> dict[str, Any]:
    """Put together what the pods of a workflow wrote, and name the steps whose pods are gone, as JSON values."""
    listed = sorted(logs, key=lambda one: one[0].name)
    there = {pod.node_id for pod, _ in listed}
    gone = [node for node in workflow.nodes or () if node.type == "Pod" and node.id not in there]
    return {
        "pods": [
            {
                "name": pod.name,
                "uid": pod.uid,
                "node": pod.node_id,
                "phase": pod.phase,
                "containers": [_told(one) for one in containers],
            }
            for pod, containers in listed
        ],
        "gone": [{"node": node.id, "step": node.name} for node in sorted(gone, key=lambda node: node.id)],
    }


def _told(log: ContainerLog) -> dict[str, Any]:
    if log.missing:
        return {"name": log.container, "missing": log.missing}
    return {"name": log.container, "log": log.text, "bytes": log.size, "left_out_bytes": log.left_out}


def _about(archived: Archived, part: Part) -> dict[str, Any]:
    return {
        "part": part.value,
        "workflow": {"namespace": archived.namespace, "name": archived.name, "uid": archived.uid},
        "content_sha256": archived.content,
    }


def _attachment(archived: Archived, part: Part, content: bytes, body: bytes) -> Attachment:
    return Attachment(
        archived=archived,
        part=part,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        content=hashlib.sha256(content).hexdigest(),
    )
