"""Opens the bucket and the reader of old history; apart from other clients, since their libraries are slow to load."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from receiver.clients.archive import ArchiveBucket
from receiver.clients.cold import ColdHistory
from receiver.clients.s3 import S3
from receiver.settings import Settings


def make_s3(settings: Settings) -> S3 | None:
    """Give the bucket for what leaves Postgres; None where none is configured.

    Raises:
        S3Error: Its settings cannot be used.
    """
    wanted = settings.archive
    if wanted.bucket is None:
        return None
    return S3(bucket=wanted.bucket, region=wanted.region, endpoint_url=wanted.endpoint_url)


def make_bucket(s3: S3 | None) -> ArchiveBucket | None:
    """Give the same bucket as the archive uses it; None where there is none."""
    return None if s3 is None else ArchiveBucket(s3)


@asynccontextmanager
async def open_s3(settings: Settings) -> AsyncIterator[S3 | None]:
    """Open the bucket; gives None where none is configured."""
    s3 = make_s3(settings)
    try:
        yield s3
    finally:
        if s3 is not None:
            await s3.close()


@asynccontextmanager
async def open_cold(settings: Settings, s3: S3 | None) -> AsyncIterator[ColdHistory | None]:
    """Open the reader of months that lie on S3 alone; gives None where no bucket is configured."""
    if s3 is None:
        yield None
        return
    cold = ColdHistory(s3, Path(settings.data_dir) / "history" / "copies")
    try:
        yield cold
    finally:
        await cold.close()
