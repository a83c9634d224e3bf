"""The queue, where another worker has done what this one believes to do."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from receiver.model.errors import StoreUnavailable
from receiver.store.database import Database
from receiver.store.jobs import Job, Queue


@contextmanager
def unheard() -> Iterator[list[dict[str, Any]]]:
    """What the event loop would complain about."""
    loop, heard = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    try:
        yield heard
    finally:
        loop.set_exception_handler(None)


async def test_a_job_that_another_worker_has_ended_is_one_line_and_the_work_goes_on(database: Database) -> None:
    queue, done = Queue(database), asyncio.Event()
    await queue.open()

    async def look(*, incident_id: int) -> None:
        if incident_id == 2:
            done.set()
            return
        async with database.transaction() as tx:
            await tx.execute(text("delete from procrastinate_jobs where args = '{\"incident_id\": 1}'"))
            await queue.enqueue(tx, Job.LOOK, {"incident_id": 2})

    queue.on(Job.LOOK, look)
    async with database.transaction() as tx:
        await queue.enqueue(tx, Job.LOOK, {"incident_id": 1})
    with capture_logs() as lines, unheard() as complaints:
        working = asyncio.create_task(queue.work(concurrency=1))
        async with asyncio.timeout(30):
            await done.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    [said] = [line for line in lines if line.get("action") == "job_done_elsewhere"]
    assert (said["log_level"], said["job"], said["arguments"]) == ("warning", "look", {"incident_id": 1})
    assert complaints == []


async def test_whatever_else_stands_in_the_way_of_a_jobs_end_is_no_secret(database: Database) -> None:
    queue = Queue(database)
    await queue.open()

    async def look(*, incident_id: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(text("drop function procrastinate_finish_job_v1"))
        assert incident_id == 1

    queue.on(Job.LOOK, look)
    async with database.transaction() as tx:
        await queue.enqueue(tx, Job.LOOK, {"incident_id": 1})
    with capture_logs() as lines, unheard() as complaints:
        working = asyncio.create_task(queue.work(concurrency=1))
        async with asyncio.timeout(30):
            while not complaints and not working.done():  # noqa: ASYNC110 - nobody tells of a complaint
                await asyncio.sleep(0.05)
        working.cancel()
        with pytest.raises((asyncio.CancelledError, StoreUnavailable)):
            await working

    assert not [line for line in lines if line.get("action") == "job_done_elsewhere"]
