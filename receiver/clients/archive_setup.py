"""Making a bucket fit for archives: there, closed to the public, encrypted, with our lifecycle rule beside others'.

What is there already is never undone: an encryption that somebody chose stays, and so does every rule of other people.
"""

from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from receiver.clients.s3 import S3
from receiver.model.lifecycle import SMALLEST, Difference, Thing, merged, said

_UNKNOWN: Final = frozenset({"MethodNotAllowed", "NotImplemented", "XNotImplemented"})
"""What stores say that are not Amazon's of what they do not have."""
_WAYS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_CLOSED: Final = "blocked"
_ENCRYPTED: Final = "on"
_DEFAULT_SMALLEST: Final = "all_storage_classes_128K"
_AT_HOME: Final = "us-east-1"
"""The region that must not be named when a bucket is made there."""


class BucketSetup:
    """One bucket, to be looked at and made fit.

    Args:
        s3: The connection.
        prefix: Begin of the keys of archives, for which the lifecycle rule is.
    """

    def __init__(self, s3: S3, prefix: str) -> None:
        self._s3 = s3
        self._prefix = prefix

    async def look(self) -> list[Difference]:
        """Say of each part how it is and how it ought to be; of a bucket that is not there, how it would be.

        Raises:
            S3Error: It could not be looked at.
        """
        return await self._s3.ask("be looked at", "", self._look)

    async def apply(self, difference: Difference) -> None:
        """Make one part as it ought to be.

        Raises:
            S3Error: It could not be changed; says of which bucket.
        """
        do = {
            Thing.BUCKET: self._make,
            Thing.PUBLIC_ACCESS: self._close,
            Thing.ENCRYPTION: self._encrypt,
            Thing.LIFECYCLE: self._age,
        }[difference.thing]
        await self._s3.ask(f"be changed ({difference.thing.value})", "", do)

    def _look(self, client: Any) -> list[Difference]:
        there = _asked(lambda: client.head_bucket(Bucket=self._s3.bucket), absent={"404", "NoSuchBucket"}) is not None
        found = [Difference(thing=Thing.BUCKET, now="there" if there else "not there", then="there")]
        parts: tuple[tuple[Thing, Callable[[Any], tuple[str, str]]], ...] = (
            (Thing.PUBLIC_ACCESS, self._access),
            (Thing.ENCRYPTION, self._encryption),
            (Thing.LIFECYCLE, self._lifecycle),
        )
        for thing, look in parts:
            try:
                now, then = look(client)
                found.append(Difference(thing=thing, now=now, then=then))
            except ClientError as error:
                if _code(error) not in _UNKNOWN:
                    raise
                found.append(Difference(thing=thing, now="not offered by this store", then="", offered=False))
        return found

    def _access(self, client: Any) -> tuple[str, str]:
        answer = _asked(
            lambda: client.get_public_access_block(Bucket=self._s3.bucket),
            absent={"NoSuchBucket", "NoSuchPublicAccessBlockConfiguration"},
        )
        blocked = (answer or {}).get("PublicAccessBlockConfiguration", {})
        open_ways = [name for name in _WAYS if blocked.get(name) is not True]
        return (f"not blocked: {', '.join(open_ways)}" if open_ways else _CLOSED), _CLOSED

    def _encryption(self, client: Any) -> tuple[str, str]:
        answer = _asked(
            lambda: client.get_bucket_encryption(Bucket=self._s3.bucket),
            absent={"NoSuchBucket", "ServerSideEncryptionConfigurationNotFoundError"},
        )
        return ("off" if answer is None else _ENCRYPTED), _ENCRYPTED

    def _lifecycle(self, client: Any) -> tuple[str, str]:
        rules, smallest = self._rules(client)
        return said(rules, smallest), said(merged(rules, self._prefix), SMALLEST)

    def _rules(self, client: Any) -> tuple[list[dict[str, Any]], str]:
        answer = _asked(
            lambda: client.get_bucket_lifecycle_configuration(Bucket=self._s3.bucket),
            absent={"NoSuchBucket", "NoSuchLifecycleConfiguration"},
        )
        found = answer or {}
        return found.get("Rules", []), found.get("TransitionDefaultMinimumObjectSize", _DEFAULT_SMALLEST)

    def _make(self, client: Any) -> None:
        region = client.meta.region_name
        where = {} if region == _AT_HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=self._s3.bucket, **where)

    def _close(self, client: Any) -> None:
        closed = dict.fromkeys(_WAYS, True)
        client.put_public_access_block(Bucket=self._s3.bucket, PublicAccessBlockConfiguration=closed)

    def _encrypt(self, client: Any) -> None:
        chosen = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        client.put_bucket_encryption(Bucket=self._s3.bucket, ServerSideEncryptionConfiguration=chosen)

    def _age(self, client: Any) -> None:
        # Read once more: whoever changed a rule since it was looked at keeps it.
        rules, _ = self._rules(client)
        client.put_bucket_lifecycle_configuration(
            Bucket=self._s3.bucket,
            LifecycleConfiguration={"Rules": merged(rules, self._prefix)},
            TransitionDefaultMinimumObjectSize=SMALLEST,
        )


def _asked(call: Callable[[], Any], *, absent: set[str]) -> Any:
    """Ask, and give None where the store says that there is no such thing."""
    try:
        return call()
    except ClientError as error:
        if _code(error) in absent:
            return None
        raise


def _code(error: ClientError) -> str:
    answer: Any = error.response
    return str(answer.get("Error", {}).get("Code", ""))
