"""What the commands of `receiver archive` share: which archive is meant, and whoever finds, reads and keeps it."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from receiver.cli.cluster import connect_cluster
from receiver.cli.reading import opened
from receiver.cli.s3 import make_bucket, make_s3
from receiver.cli.wiring import connect_argo, held, make_archivist, make_attacher
from receiver.clients.archive import ArchiveBucket
from receiver.clients.kubernetes import Cluster
from receiver.model.archive import Archived
from receiver.model.errors import ArchiveAbsent, SettingsError
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.attaching import Attacher
from receiver.settings import Settings
from receiver.store import archives
from receiver.store.database import Database, Transaction

Which = Annotated[str, typer.Argument(metavar="NS/NAME|ID", help="The newest archive of a workflow, or one by number.")]
At = Annotated[
    str | None, typer.Option("--at", metavar="YYYYmmdd_HHMMSS", help="The one that ended then, in UTC, as in its key.")
]

NoWait = Annotated[bool, typer.Option("--no-wait", help="With --server: leave it queued; else wait until it is done.")]

WHICH: Final = "NS/NAME|ID"

_NAMED: Final = re.compile(r"([^/\s]+)/([^/\s]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is open while a command works."""

    database: Database
    archivist: Archivist
    attacher: Attacher
    bucket: ArchiveBucket
    cluster: Cluster | None


@asynccontextmanager
async def desk_of(settings: Settings) -> AsyncIterator[Desk]:
    """Open what the archive needs.

    Raises:
        SettingsError: No bucket is configured.
        S3Error: It is not there, or cannot be used: better said once than of each object.
    """
    async with AsyncExitStack() as stack:
        s3 = make_s3(settings)
        bucket = make_bucket(s3)
        if s3 is None or bucket is None:
            raise SettingsError("archive.bucket is not set, so there is no archive; name a bucket")
        stack.push_async_callback(s3.close)
        await s3.check()
        cluster = held(stack, connect_cluster(settings))
        argo = held(stack, connect_argo(settings, cluster))
        database = await stack.enter_async_context(opened(settings))
        archivist = make_archivist(settings, database, bucket, cluster, argo)
        attacher = make_attacher(settings, bucket, cluster)
        yield Desk(database=database, archivist=archivist, attacher=attacher, bucket=bucket, cluster=cluster)


async def find(tx: Transaction, which: str, at: datetime | None) -> Archived:
    """Find one archive, by number or by the name of its workflow.

    Raises:
        ArchiveAbsent: There is none.
    """
    number = number_of(which)
    if number is not None:
        found = await archives.get(tx, number)
    else:
        namespace, name = named(which, WHICH)
        found = await archives.newest(tx, namespace, name, at=at)
    if found is None:
        raise none_of(which, at)
    return found


def none_of(which: str, at: datetime | None) -> ArchiveAbsent:
    """Make the error for an archive that is not there."""
    then = f" that ended at {at:%Y%m%d_%H%M%S}" if at else ""
    return ArchiveAbsent(f"there is no archive {which}{then}; `receiver archive list` lists what there is")


def number_of(which: str) -> int | None:
    """Read the number of an archive; None where a workflow is named."""
    return int(which) if which.isascii() and which.isdigit() else None


def named(text: str, hint: str) -> tuple[str, str]:
    """Read namespace and name of a workflow.

    Raises:
        typer.BadParameter: It is not written so.
    """
    found = _NAMED.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} names no workflow; write namespace/name", param_hint=hint)
    return found[1], found[2]


def moment_of(text: str | None) -> datetime | None:
    """Read a time as it stands in a key.

    Raises:
        typer.BadParameter: It is none.
    """
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no such time; write one as in a key: 20261124_032231", param_hint="--at"
        ) from error
