"""Make the archive's index anew out of the bucket: what lies there and is not in it is read, compared, and added.

An object says of itself all that the index knows of it, so that a lost database costs no archive. Nothing is believed
that can be read: an object is unpacked and compared with what it says before it is added.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from receiver.model import attachment
from receiver.model.archive import NotAnArchive, of_object
from receiver.model.errors import S3Damaged, S3Frozen, S3Missing
from receiver.pipeline.archiving import Bucket as ArchiveBucket
from receiver.store import archives
from receiver.store.database import Database

_AT_ONCE: Final = 8
"""Objects that are read at the same time; each may be as large as an archive can be."""

_KEY: Final = re.compile(r"[^/]+/[^/]+/[0-9]{8}_[0-9]{6}(-[0-9a-f]{12})?(\.masked)?\.json\.gz")
"""What follows the prefix in the key of an archive; see `receiver.model.archive.key_of`."""


class Bucket(ArchiveBucket, Protocol):
    """A bucket whose keys can be listed."""

    async def below(self, prefix: str, *, after: str = "") -> tuple[str, ...]:
        """List some keys that begin so, in their order; none are left where none are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An object below the prefix that is no whole archive, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look into the bucket found.

    Attributes:
        objects: How many there are below the prefix, without the logs and events beside them.
        known: How many of them the index had.
        added: How many it has now that it had not.
        unread: How many of those lie in an archive class, and were believed.
        twice: How many hold a state that the index has under another key.
        faults: Objects that are no whole archives; they were left alone.
    """

    objects: int = 0
    known: int = 0
    added: int = 0
    unread: int = 0
    twice: int = 0
    faults: tuple[Fault, ...] = ()

    def __add__(self, other: "Seen") -> "Seen":
        """Add up two looks."""
        return Seen(
            objects=self.objects + other.objects,
            known=self.known + other.known,
            added=self.added + other.added,
            unread=self.unread + other.unread,
            twice=self.twice + other.twice,
            faults=self.faults + other.faults,
        )


async def reindex(
    database: Database, bucket: Bucket, *, prefix: str, now: Callable[[], datetime]
) -> AsyncIterator[Seen]:
    """Add what is missing from the index; gives what was found, page by page. It can be cut off and begun again.

    Raises:
        S3Error: The bucket cannot be listed or read.
        StoreError: The index cannot be written.
    """
    after = ""
    while page := await bucket.below(f"{prefix}/", after=after):
        after = page[-1]
        keys = [key for key in page if not attachment.is_key(key, prefix)]
        ours = {key for key in keys if _KEY.fullmatch(key.removeprefix(f"{prefix}/"))}
        others = tuple(Fault(key=key, reason="its key is none of an archive") for key in keys if key not in ours)
        async with database.transaction() as transaction:
            known = await archives.known(transaction, bucket.bucket, ours)
        unknown = ours - known
        missing = [key for key in keys if key in unknown]
        seen = Seen(objects=len(keys), known=len(known), faults=others)
        for begin in range(0, len(missing), _AT_ONCE):
            some: Sequence[str] = missing[begin : begin + _AT_ONCE]
            for one in await asyncio.gather(*(_add(database, bucket, key, now()) for key in some)):
                seen += one
        yield seen


async def _add(database: Database, bucket: Bucket, key: str, at: datetime) -> Seen:
    label = await bucket.head(key)
    if label is None:
        return Seen(faults=(Fault(key=key, reason="it went away meanwhile"),))
    try:
        body = await bucket.get(key)
    except S3Frozen:
        body = None
    except (S3Damaged, S3Missing) as error:
        return Seen(faults=(Fault(key=key, reason=str(error)),))
    try:
        found = await asyncio.to_thread(of_object, bucket.bucket, key, label.size, label.metadata, body)
    except NotAnArchive as error:
        return Seen(faults=(Fault(key=key, reason=str(error)),))
    async with database.transaction() as transaction:
        new = await archives.add(transaction, replace(found, verified_at=None if body is None else at))
    return Seen(added=int(new), twice=int(not new), unread=int(new and body is None))
