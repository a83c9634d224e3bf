"""Put the logs of a workflow's pods, and the warnings about it, beside its archive, and read them back.

What is gone is said in the object and is no failure; what only did not answer is one, so that no object says for ever
what was true for a moment. The first object stays, since it was gathered nearest to the end of the workflow.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from receiver.clients.kubernetes import Cluster
from receiver.enrich.mask import Mask
from receiver.model.archive import Archived, NotAnArchive, unpacked
from receiver.model.attachment import Attachment, ContainerLog, Part, in_turn, key_of, logs_found, made, seen
from receiver.model.errors import (
    LogUnreadable,
    NotFound,
    RequestRefused,
    S3Damaged,
    S3Error,
    S3Exists,
    S3Frozen,
    S3Missing,
)
from receiver.model.redaction import Redaction
from receiver.model.workflow import Pod, Workflow
from receiver.pipeline.archiving import Bucket

MOST_OF_POD: Final = 256 * 1024
"""Bytes of the logs of one pod, all its containers together: the ends are kept, those of the step itself first."""
MOST_IN_ALL: Final = 32 * 1024 * 1024
"""Bytes of all logs of a workflow; escaped as JSON they may become six times as many."""

_AT_ONCE: Final = 8
"""Pods whose logs are read at the same time."""


class Attacher:
    """Whoever keeps what lies beside an archive.

    Args:
        bucket: Holds the objects.
        cluster: Where pods and events are read; None where none is configured, and then nothing can be gathered.
        mask: Hides secrets, as in all logs.
        redaction: What no archive may hold.
        now: The clock.
    """

    def __init__(
        self,
        bucket: Bucket,
        cluster: Cluster | None,
        *,
        mask: Mask,
        redaction: Redaction,
        now: Callable[[], datetime],
    ) -> None:
        self._bucket = bucket
        self._cluster = cluster
        self._mask = mask
        self._redaction = redaction
        self._now = now

    async def attach(
        self, archived: Archived, workflow: Workflow, parts: Collection[Part], *, by: str
    ) -> list[Attachment]:
        """Gather what is asked for and put it beside an archive; what lies there already stays.

        Args:
            archived: Beside which.
            workflow: The same one, as it was read.
            parts: What.
            by: Who asks.

        Raises:
            ClusterError: Pods, logs or events could not be read. Those that are gone are no error.
            S3Error: The bucket did not take it, or what it gave back is not what was sent.
        """
        return [await self._attach(archived, workflow, part, by) for part in Part if part in parts]

    async def attached(self, archived: Archived, part: Part) -> Attachment | None:
        """Find what lies beside an archive, having read it back; None where there is nothing of that.

        Raises:
            S3Damaged: It is not whole, or something else.
            S3Error: It could not be read.
        """
        try:
            body = await self._get(archived, part)
        except S3Missing:
            return None
        except S3Frozen:
            return await self._believed(archived, part)
        return await self._seen(archived, part, body)

    async def read(self, archived: Archived, part: Part) -> bytes:
        """Read what lies beside an archive, as JSON.

        Raises:
            S3Missing: There is nothing of that.
            S3Damaged: It is not whole, or something else.
            S3Error: It could not be read; of one in an archive class, how it is brought back.
        """
        try:
            body = await self._get(archived, part)
        except S3Missing as error:
            raise S3Missing(
                f"there are no {part.value} beside {archived.place}; "
                f"`receiver archive create --with {part.value}` keeps them, while the workflow is there"
            ) from error
        await self._seen(archived, part, body)
        return await asyncio.to_thread(unpacked, body)

    async def _attach(self, archived: Archived, workflow: Workflow, part: Part, by: str) -> Attachment:
        known = await self.attached(archived, part)
        if known is not None:
            return known
        found = await (self._logs(workflow) if part is Part.LOGS else self._events(workflow))
        try:
            attachment, body = await asyncio.to_thread(made, archived, part, found)
        except NotAnArchive as error:
            raise RequestRefused(f"The {part.value} of workflow {archived.name} are not archived: {error}.") from error
        try:
            await self._bucket.put(attachment.key, body, metadata=attachment.metadata(by=by, at=self._now()))
        except S3Exists:
            # Somebody else was faster, and theirs is as good.
            known = await self.attached(archived, part)
            if known is None:
                raise
            return known
        if await self._seen(archived, part, await self._bucket.get(attachment.key)) != attachment:
            raise S3Damaged(f"{attachment.place} was written, and came back otherwise")
        return attachment

    async def _logs(self, workflow: Workflow) -> dict[str, Any]:
        pods = sorted(await self._the_cluster(workflow).pods_of(workflow), key=lambda pod: pod.name)
        found: list[tuple[Pod, Sequence[ContainerLog]]] = []
        total = 0
        for begin in range(0, len(pods), _AT_ONCE):
            some = pods[begin : begin + _AT_ONCE]
            share = min(MOST_OF_POD, (MOST_IN_ALL - total) // len(some))
            read = await asyncio.gather(*(self._of_pod(workflow, pod, share) for pod in some))
            total += sum(log.size for logs in read for log in logs)
            found += zip(some, read, strict=True)
        return await asyncio.to_thread(logs_found, workflow, found)

    async def _of_pod(self, workflow: Workflow, pod: Pod, share: int) -> list[ContainerLog]:
        """Read the logs of a pod, up to so many bytes."""
        logs: list[ContainerLog] = []
        for container in in_turn(pod):
            if share <= 0:
                logs.append(ContainerLog(container=container, missing="left out: the logs before it are long enough"))
                continue
            try:
                end = await self._the_cluster(workflow).log_end(
                    pod.namespace, pod.name, container=container, most=share
                )
            except (NotFound, LogUnreadable) as error:
                logs.append(ContainerLog(container=container, missing=self._hidden(str(error))))
                continue
            size = len(end.body)
            share -= size
            text = await asyncio.to_thread(self._hidden, end.body.decode(errors="replace"))
            logs.append(ContainerLog(container=container, text=text, size=size, left_out=end.left_out))
        return logs

    async def _events(self, workflow: Workflow) -> dict[str, Any]:
        cluster = self._the_cluster(workflow)
        warnings = await cluster.warning_events(workflow, await cluster.pods_of(workflow))
        return {
            "events": [msgspec.to_builtins(one) | {"message": self._hidden(one.message)} for one in warnings],
        }

    def _hidden(self, text: str) -> str:
        return self._redaction.text(self._mask.long(text))

    def _the_cluster(self, workflow: Workflow) -> Cluster:
        if self._cluster is None:
            raise RequestRefused(
                f"Pods and events of workflow {workflow.namespace}/{workflow.name} cannot be read: "
                "no cluster is configured; set kubernetes.kubeconfig."
            )
        return self._cluster

    async def _get(self, archived: Archived, part: Part) -> bytes:
        if archived.bucket != self._bucket.bucket:
            raise S3Error(f"{archived.place} is not in {self._bucket.bucket}, the bucket that archive.bucket names now")
        return await self._bucket.get(key_of(archived, part))

    async def _seen(self, archived: Archived, part: Part, body: bytes) -> Attachment:
        try:
            return await asyncio.to_thread(seen, archived, part, body)
        except NotAnArchive as error:
            place = f"s3://{archived.bucket}/{key_of(archived, part)}"
            raise S3Damaged(f"{place} holds something else: {error}; nothing was replaced; move it away") from error

    async def _believed(self, archived: Archived, part: Part) -> Attachment:
        """Take one in an archive class by what was written with it: it was read back when it was put."""
        key = key_of(archived, part)
        label = await self._bucket.head(key)
        said = {} if label is None else label.metadata
        if label is None or said.get("archive-content-sha256") != archived.content:
            raise S3Error(f"s3://{archived.bucket}/{key} lies in an archive class, and is not what was put there")
        return Attachment(
            archived=archived,
            part=part,
            size=label.size,
            sha256=said.get("checksum-sha256", ""),
            content=said.get("content-sha256", ""),
        )
