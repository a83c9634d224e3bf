"""The bucket as the archive of workflows uses it: objects that are never replaced, each with what it says of itself.

Every piece that is sent carries its SHA-256, which the store checks. An object above 8 MB is sent in parts; one that
was begun and not completed is no object, and a lifecycle rule of the bucket should abort such uploads.
"""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from receiver.clients.s3 import S3
from receiver.model.archive import MOST_BYTES
from receiver.model.errors import S3Error, S3Missing

PART: Final = 8 * 1024 * 1024
"""Bytes of a part, and of the largest object that is sent in one piece; Amazon wants 5 MiB at least."""

_KIND: Final = "application/gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What an object says of itself, without being read.

    Attributes:
        size: Bytes.
        metadata: As it was given when the object was put; keys in small letters.
        storage_class: Amazon's word, such as `STANDARD` or `GLACIER`.
    """

    size: int
    metadata: Mapping[str, str]
    storage_class: str


class ArchiveBucket:
    """One bucket.

    Args:
        s3: The connection to it.
    """

    def __init__(self, s3: S3) -> None:
        self._s3 = s3

    @property
    def bucket(self) -> str:
        """Its name."""
        return self._s3.bucket

    async def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        """Write an object that is not there yet.

        Raises:
            S3Exists: There is one of that key, and it was left alone.
            S3Damaged: What arrived was not what was sent; nothing was written.
            S3Error: It could not be written, or nobody knows.
        """
        await self._s3.ask("be written", key, lambda client: self._put(client, key, body, metadata))

    async def get(self, key: str) -> bytes:
        """Read an object whole.

        Raises:
            S3Missing: It is not there.
            S3Frozen: It has to be brought back from its archive class first; says how.
            S3Damaged: It did not arrive whole.
            S3Error: It could not be read, or is larger than anything that is archived.
        """
        return await self._s3.ask("be read", key, lambda client: self._get(client, key))

    async def head(self, key: str) -> Label | None:
        """Look at an object; None where there is none.

        Raises:
            S3Error: It could not be looked at.
        """
        try:
            answer = await self._s3.ask(
                "be looked at", key, lambda client: client.head_object(Bucket=self.bucket, Key=key)
            )
        except S3Missing:
            return None
        return Label(
            size=answer["ContentLength"],
            metadata={name.lower(): value for name, value in answer.get("Metadata", {}).items()},
            storage_class=answer.get("StorageClass", "STANDARD"),
        )

    async def below(self, prefix: str, *, after: str = "") -> tuple[str, ...]:
        """List some keys that begin so, in their order; none are left where none are given.

        Args:
            prefix: Their begin.
            after: The last one that is known.

        Raises:
            S3Error: They could not be listed.
        """
        wanted = {"Bucket": self.bucket, "Prefix": prefix} | ({"StartAfter": after} if after else {})
        answer = await self._s3.ask("be listed", prefix, lambda client: client.list_objects_v2(**wanted))
        return tuple(one["Key"] for one in answer.get("Contents", ()))

    def _put(self, client: Any, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        about = {"Bucket": self.bucket, "Key": key}
        made = {"ContentType": _KIND, "Metadata": dict(metadata)}
        if len(body) > PART:
            _put_in_parts(client, about, made, body)
            return
        checksum = _sha256(body)
        said = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        asked = {"Content-Type": _KIND, "If-None-Match": "*", "x-amz-checksum-sha256": checksum}
        if not self._s3.direct.put(key, body, said | asked):
            client.put_object(**about, **made, Body=body, ChecksumSHA256=checksum, IfNoneMatch="*")
            self._s3.direct.give_up()

    def _get(self, client: Any, key: str) -> bytes:
        found = self._s3.direct.get(key)
        return _get(client, self.bucket, key) if found is None else found


def _put_in_parts(client: Any, about: dict[str, Any], made: dict[str, Any], body: bytes) -> None:
    upload = client.create_multipart_upload(**about, **made, ChecksumAlgorithm="SHA256")
    about = {**about, "UploadId": upload["UploadId"]}
    try:
        parts = []
        for number, begin in enumerate(range(0, len(body), PART), start=1):
            piece = body[begin : begin + PART]
            checksum = _sha256(piece)
            sent = client.upload_part(**about, PartNumber=number, Body=piece, ChecksumSHA256=checksum)
            parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum})
        client.complete_multipart_upload(**about, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except (ClientError, BotoCoreError):
        # What failed is what is told. A store that is away cannot be asked to forget the parts either.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**about)
        raise


def _get(client: Any, bucket: str, key: str) -> bytes:
    answer = client.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if answer["ContentLength"] > MOST_BYTES:
        answer["Body"].close()
        raise S3Error(f"{key} of s3://{bucket} has {answer['ContentLength']} bytes: that is no archive of a workflow")
    return bytes(answer["Body"].read())


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
