"""A finished workflow that is kept whole outside of the cluster: what it is, under which key it lies, in which form.

The form is canonical JSON, compressed by gzip without a time, so that one state of one workflow is always the same
bytes. What tells two states apart is the hash of the JSON, since another version of gzip may compress it otherwise.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of one workflow as JSON. Argo Server is believed 64 MiB with all steps; escaped, that may become some times more."""

_WHOLE: Final = ".json.gz"
_OTHER_STATE: Final = 12
"""Hexadecimal digits of the hash in the key of a second state that ended in the same second."""

_MOST_OF_ASKER: Final = 200
_MOST_OF_LABELS: Final = 800
"""Bytes of S3's 2,048 of metadata; the names of the keys and all else need up to 900."""


MASKED: Final = ".masked.json.gz"
"""End of the key of an archive that was masked."""

State = tuple[str, str]
"""One state of one workflow: its uid, and the hash of its content."""


class NotAnArchive(ValueError):
    """Bytes are not a workflow in the form in which it is archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One state of one finished workflow in the archive, as the index has it.

    Attributes:
        id: Its number in the index; 0 while it is not in there.
        uid: Of the workflow.
        content: SHA-256 of its canonical JSON, in hex; with `uid` it is the identity.
        labels: Of the workflow, when it was archived; written by others.
        phase: Such as `Succeeded`.
        started_at: When Argo started it; None where that is not said.
        finished_at: When it ended; where Argo did not say, when it was archived. It is what the key says.
        archived_at: When it was first archived.
        archived_by: Who asked for it: a remediation, or a person.
        bucket: The bucket that it lies in.
        key: Its key there.
        size: Bytes of the object.
        sha256: Of the object, in hex.
        verified_at: When it was last read back and found whole; None where it was found otherwise since.
        trouble: How it was found then; empty when it was whole.
    """

    id: int = 0
    namespace: str
    name: str
    uid: str
    content: str
    labels: Mapping[str, str]
    phase: str
    started_at: datetime | None
    finished_at: datetime
    archived_at: datetime
    archived_by: str
    bucket: str
    key: str
    size: int
    sha256: str
    verified_at: datetime | None = None
    trouble: str = ""

    @property
    def state(self) -> "State":
        """Which state of which workflow it is."""
        return self.uid, self.content

    @property
    def masked(self) -> bool:
        """Whether parts of it were masked, so that it cannot be brought back; its key says so."""
        return self.key.endswith(MASKED)

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def metadata(self) -> dict[str, str]:
        """What the object itself says: it is its own manifest, out of which `of_object` makes the index anew.

        S3 gives it 2 KB: a long name of whoever asked is cut, and labels that do not fit are left out, since the
        workflow has them too.
        """
        said = {
            "workflow-name": self.name,
            "namespace": self.namespace,
            "workflow-uid": self.uid,
            "archive-date": f"{self.archived_at.astimezone(UTC):%Y%m%d_%H%M%S}",
            "checksum-sha256": self.sha256,
            "content-sha256": self.content,
            "phase": self.phase,
            "finished-at": self.finished_at.astimezone(UTC).isoformat(),
            "archived-at": self.archived_at.astimezone(UTC).isoformat(),
            "archived-by": quote(self.archived_by[:_MOST_OF_ASKER], safe=" ()@")[:_MOST_OF_ASKER],
        }
        if self.started_at is not None:
            said["started-at"] = self.started_at.astimezone(UTC).isoformat()
        labels = json.dumps(dict(self.labels), sort_keys=True, separators=(",", ":"))
        if len(labels) <= _MOST_OF_LABELS:
            said["labels"] = labels
        return said


def canonical(workflow: Mapping[str, Any]) -> bytes:
    """Write a workflow as canonical JSON: keys in order, no spaces, ASCII.

    Raises:
        NotAnArchive: It is larger, or nested more deeply, than any workflow.
    """
    try:
        text = json.dumps(workflow, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except RecursionError as error:
        raise NotAnArchive("it is nested too deeply") from error
    if len(text) > MOST_BYTES:
        raise NotAnArchive(f"it has {len(text)} bytes, more than is archived ({MOST_BYTES})")
    return text.encode("ascii")


def packed(content: bytes) -> bytes:
    """Compress canonical JSON; the same bytes each time."""
    return gzip.compress(content, mtime=0)


def unpacked(body: bytes) -> bytes:
    """Undo `packed`, without believing that it is no bomb.

    Raises:
        NotAnArchive: It is damaged, cut off, or too large.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise NotAnArchive(f"it is damaged: {error}") from error
    if len(content) > MOST_BYTES:
        raise NotAnArchive(f"it unpacks to more than {MOST_BYTES} bytes")
    if not stream.eof or stream.unused_data:
        raise NotAnArchive("it is cut off" if not stream.eof else "something follows it")
    return content


def read(content: bytes) -> dict[str, Any]:
    """Read the workflow that canonical JSON stands for.

    Raises:
        NotAnArchive: It is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAnArchive("it is not JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        raise NotAnArchive("it is no workflow")
    return found


def fault(archived: Archived, body: bytes) -> str:
    """Say what is wrong with an object that ought to be an archived workflow; empty when it is whole."""
    try:
        content = unpacked(body)
        found = read(content)
    except NotAnArchive as error:
        return str(error)
    if hashlib.sha256(content).hexdigest() != archived.content:
        return "it is whole, but another workflow, or another state of it"
    if found["metadata"].get("uid") != archived.uid:
        return f"it is workflow {found['metadata'].get('uid')}"
    return ""


def of_object(bucket: str, key: str, size: int, metadata: Mapping[str, str], body: bytes | None) -> Archived:
    """Make the entry of the index anew out of an object alone, and see that it is what it says.

    Args:
        bucket: Where it lies.
        key: Its key there.
        size: Its bytes.
        metadata: What it says of itself; whoever may write into the bucket may have written it.
        body: The object; None where it lies in an archive class and cannot be read at once. Then it is believed.

    Raises:
        NotAnArchive: It is no archive of ours, or is not whole; says why.
    """
    try:
        labels = json.loads(metadata.get("labels", "{}"))
        started = metadata.get("started-at")
        found = Archived(
            namespace=metadata["namespace"],
            name=metadata["workflow-name"],
            uid=metadata["workflow-uid"],
            content=metadata["content-sha256"],
            labels={str(name): str(value) for name, value in labels.items()},
            phase=metadata["phase"],
            started_at=_time(started) if started else None,
            finished_at=_time(metadata["finished-at"]),
            archived_at=_time(metadata["archived-at"]),
            archived_by=unquote(metadata["archived-by"]),
            bucket=bucket,
            key=key,
            size=size,
            sha256=metadata["checksum-sha256"],
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise NotAnArchive(f"it does not say of itself what an archive says: {error}") from error
    if body is None:
        return found
    wrong = fault(found, body)
    if wrong:
        raise NotAnArchive(wrong)
    said = read(unpacked(body))["metadata"].get("labels") or {}
    return replace(found, labels={str(name): str(value) for name, value in said.items()})


def key_of(prefix: str, namespace: str, name: str, at: datetime, *, content: str = "", masked: bool = False) -> str:
    """Name the object: by workflow and end.

    Args:
        prefix: Begin of all keys.
        namespace: Of the workflow.
        name: Of the workflow.
        at: When it ended.
        content: Hash of its JSON, where another state of that name ended in the same second and has the plain key.
        masked: Whether parts of it were masked.
    """
    other = f"-{content[:_OTHER_STATE]}" if content else ""
    return f"{prefix}/{namespace}/{name}/{at.astimezone(UTC):%Y%m%d_%H%M%S}{other}{MASKED if masked else _WHOLE}"


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return found
