"""Waiting until somebody listens."""

import asyncio

from receiver.web.feed import Feed


async def listened_to(feed: Feed, *, by: int = 1) -> None:
    """Wait until so many streams hear what happens."""
    async with asyncio.timeout(30):
        while len(feed._listeners) < by:  # noqa: ASYNC110 - nobody tells when it listens
            await asyncio.sleep(0.01)
