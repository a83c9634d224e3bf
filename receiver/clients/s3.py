"""One bucket of an S3 store, in our verbs and with our errors.

boto3 is told to retry nothing and to wait for nothing longer than the timeout. Its calls block, so they run in
threads; a caller that is cancelled leaves its thread to that timeout. Each object is sent with its SHA-256, which the
store checks before it takes the object, and is checked again when it comes back.
"""

import asyncio
import base64
import hashlib
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError as NoConnection,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)

from receiver.clients.s3_direct import Direct
from receiver.model.errors import S3Damaged, S3Error, S3Exists, S3Forbidden, S3Frozen, S3Missing, S3Unreachable
from receiver.settings import Hidden

T = TypeVar("T")

LARGEST: Final = 5 * 1024**3
"""Bytes of an object that is put in one piece; https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html."""

_CHUNK: Final = 1024 * 1024
_CONNECT: Final = timedelta(seconds=5)
_TIMEOUT: Final = timedelta(seconds=60)
_DAY: Final = timedelta(days=1)

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; a HEAD has no body, and so only a number.
_MISSING: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})
_FORBIDDEN: Final = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "Forbidden",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
    }
)
_EXISTS: Final = frozenset({"412", "PreconditionFailed"})
_FROZEN: Final = "InvalidObjectState"
_DAMAGED: Final = frozenset({"BadDigest", "IncompleteBody", "InvalidDigest", "XAmzContentSHA256Mismatch"})
_LATER: Final = frozenset(
    {"409", "ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown", "Throttling"}
)
_SERVER_FAILED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A pair of keys; where none is handed over, boto3 looks for its own."""

    access_key: str
    secret_key: Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object as the store knows it.

    Attributes:
        size: Bytes.
        sha256: Of its bytes, in hex; None where the store keeps none, and in lists.
    """

    key: str
    size: int
    modified_at: datetime
    sha256: str | None = None


class S3:
    """One bucket.

    Args:
        bucket: Its name; it must be there already.
        region: None means what boto3 finds in its own configuration.
        endpoint_url: Address of a store that is not Amazon's.
        credentials: None means boto3's own chain.
        timeout: Longest silence of the store within a request.

    Attributes:
        direct: The same bucket without boto3's machinery, for small objects; to be used within `ask`.

    Raises:
        S3Error: The address or the region cannot be used.
    """

    def __init__(
        self,
        *,
        bucket: str,
        region: str | None = None,
        endpoint_url: str | None = None,
        credentials: Credentials | None = None,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        self.bucket = bucket
        self._where = f"s3://{bucket}" + (f" at {endpoint_url}" if endpoint_url else "")
        config = Config(
            connect_timeout=min(timeout, _CONNECT).total_seconds(),
            read_timeout=timeout.total_seconds(),
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path" if endpoint_url else "auto"},
        )
        keys: dict[str, str] = {}
        if credentials is not None:
            keys["aws_access_key_id"] = credentials.access_key
            keys["aws_secret_access_key"] = credentials.secret_key.reveal()
        try:
            session = boto3.session.Session(region_name=region, **keys)
            self._client: Any = session.client("s3", endpoint_url=endpoint_url, config=config)
        except (BotoCoreError, ValueError) as error:
            raise S3Error(
                f"{self._where} cannot be used: {error}; look at archive.region and archive.endpoint_url"
            ) from error

        self.direct = Direct(session, self._client, bucket, connect=min(timeout, _CONNECT), read=timeout)

    async def close(self) -> None:
        """Give the connections back."""
        self.direct.close()
        await asyncio.to_thread(self._client.close)

    async def check(self) -> None:
        """See that the bucket is there and that we may ask for it.

        Raises:
            S3Error: It is not, or we may not; says which.
        """
        await asyncio.to_thread(self._check)

    async def put(
        self, key: str, source: Path | bytes, *, sha256: str | None = None, fresh: bool = True, kind: str
    ) -> str:
        """Write an object in one piece; the store takes it only if its bytes have the hash.

        Args:
            key: Its name.
            source: Its bytes, or a file of them.
            sha256: Hash of the bytes in hex, where the caller knows what it ought to be; else it is taken here.
            fresh: Whether an object of that key must not be there yet; else it is replaced.
            kind: Its media type.

        Returns:
            The hash, in hex.

        Raises:
            S3Exists: An object of that key is there, and *fresh* was asked for.
            S3Damaged: What arrived does not have the hash; nothing was written.
            S3Error: It could not be written, or nobody knows.
        """
        return await asyncio.to_thread(self._put, key, source, sha256, fresh, kind)

    async def get(self, key: str) -> bytes:
        """Read a small object.

        Raises:
            S3Error: It is not there, or could not be read whole.
        """
        return await asyncio.to_thread(self._get, key)

    async def fetch(self, key: str, target: Path, *, within: timedelta = _DAY) -> None:
        """Bring an object into a file, which appears only when all of it is there.

        Args:
            key: Its name.
            target: The file.
            within: Longest time of the whole.

        Raises:
            S3Damaged: It did not come whole.
            S3Error: It is not there, could not be read or not in time, or the file cannot be written.
        """
        await asyncio.to_thread(self._fetch, key, target, time.monotonic() + within.total_seconds())

    async def head(self, key: str) -> Stored | None:
        """Look at an object; None when there is none of that key.

        Raises:
            S3Error: It could not be looked at.
        """
        return await asyncio.to_thread(self._head, key)

    async def listed(self, prefix: str) -> list[Stored]:
        """List the objects whose keys begin so, by key.

        Raises:
            S3Error: They could not be listed.
        """
        return await asyncio.to_thread(self._list, prefix)

    async def ask(self, asked: str, key: str, question: Callable[[Any], T]) -> T:
        """Let a neighbour in this room ask what this class has no verb for.

        Args:
            asked: What cannot be done where it fails, to go on with "cannot": such as `be written`.
            key: Of which object.
            question: Is given boto3's client, in a thread.

        Raises:
            S3Error: It failed.
        """
        return await asyncio.to_thread(self._ask, asked, key, question)

    def _ask(self, asked: str, key: str, question: Callable[[Any], T]) -> T:
        with self._translated(asked, key):
            return question(self._client)

    def _check(self) -> None:
        with self._translated("be looked at"):
            self._client.head_bucket(Bucket=self.bucket)

    def _put(self, key: str, source: Path | bytes, sha256: str | None, fresh: bool, kind: str) -> str:  # noqa: FBT001 - named above
        sha256 = sha256 or _sha256(source)
        asked: dict[str, Any] = {"IfNoneMatch": "*"} if fresh else {}
        asked |= {"ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(), "ContentType": kind}
        with self._translated("be written", key):
            if isinstance(source, bytes):
                self._client.put_object(Bucket=self.bucket, Key=key, Body=source, **asked)
            else:
                with source.open("rb") as body:
                    self._client.put_object(Bucket=self.bucket, Key=key, Body=body, **asked)
        return sha256

    def _get(self, key: str) -> bytes:
        with self._translated("be read", key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            return bytes(answer["Body"].read())

    def _fetch(self, key: str, target: Path, deadline: float) -> None:
        part = target.with_name(target.name + ".part")
        try:
            with self._translated("be read", key), part.open("wb") as file:
                answer = self._client.get_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    file.write(chunk)
                    if time.monotonic() > deadline:
                        raise S3Unreachable(f"{key} of {self._where} did not arrive in time")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _head(self, key: str) -> Stored | None:
        try:
            with self._translated("be looked at", key):
                answer = self._client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        except S3Missing:
            return None
        told = answer.get("ChecksumSHA256")
        return Stored(
            key=key,
            size=answer["ContentLength"],
            modified_at=answer["LastModified"].astimezone(UTC),
            # Of an object in several parts it is a hash over hashes, with the number of parts behind it.
            sha256=base64.b64decode(told).hex() if told and "-" not in told else None,
        )

    def _list(self, prefix: str) -> list[Stored]:
        with self._translated("be listed", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [
                Stored(key=one["Key"], size=one["Size"], modified_at=one["LastModified"].astimezone(UTC))
                for page in pages
                for one in page.get("Contents", ())
            ]

    @contextmanager
    def _translated(self, asked: str, key: str = "") -> Iterator[None]:
        """Turn what boto3 raises into this room's errors."""
        what = f"{key} of {self._where}" if key else self._where
        try:
            yield
        except ClientError as error:
            raise _of_answer(error, f"{what} cannot {asked}", thaw=_thawing(self.bucket, key)) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise S3Forbidden(
                f"{what} cannot {asked}: boto3 finds no credentials; give them by environment, profile or role"
            ) from error
        except (FlexibleChecksumError, IncompleteReadError, ResponseStreamingError) as error:
            raise S3Damaged(f"{what} did not arrive whole: {error}") from error
        except (NoConnection, HTTPClientError) as error:
            raise S3Unreachable(f"{what} cannot {asked}: the store does not answer: {error}") from error
        except BotoCoreError as error:
            raise S3Error(f"{what} cannot {asked}: {error}") from error
        except OSError as error:
            raise S3Error(f"{what} cannot {asked}: {error.strerror or error} ({error.filename})") from error


def _of_answer(error: ClientError, sentence: str, *, thaw: str) -> S3Error:
    """Make the error for what the store answered."""
    answer: Any = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    said = f"{sentence}: {code} {answer.get('Error', {}).get('Message', '')}".rstrip()
    if code in _MISSING:
        return S3Missing(f"{said}; check archive.bucket, and whether the object was removed")
    if code in _FORBIDDEN:
        return S3Forbidden(f"{said}; check the credentials and the rights of their account")
    if code in _EXISTS:
        return S3Exists(said)
    if code in _DAMAGED:
        return S3Damaged(said)
    if code == _FROZEN:
        return S3Frozen(f"{said}; {thaw}")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return S3Error(said, retryable=code in _LATER or status >= _SERVER_FAILED)


def _thawing(bucket: str, key: str) -> str:
    """Say how an object is brought back from an archive class, and how long that takes.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
    """
    wish = "'Days=7,GlacierJobParameters={Tier=Standard}'"
    command = f"aws s3api restore-object --bucket {shlex.quote(bucket)} --key {shlex.quote(key)}"
    return (
        f"bring it back for a week with `{command} --restore-request {wish}`, "
        "wait 3 to 5 hours (12 where its class is DEEP_ARCHIVE), then ask again"
    )


def _sha256(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
