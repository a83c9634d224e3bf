"""The sweep makes a job for what is due, and not another one while that waits."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from receiver.store import sweeps
from receiver.store.database import Database
from receiver.store.jobs import Queue

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


async def test_a_message_has_one_waiting_job_however_often_is_swept_and_a_new_one_when_that_is_lost(
    database: Database, records: Any
) -> None:
    message = await records.message()
    queue = Queue(database)
    await queue.open()
    found: list[int] = []

    async def sweep() -> None:
        async with database.transaction() as tx:
            found.append(await sweeps.enqueue_due(tx, queue, NOW))

    await sweep()
    await sweep()
    async with database.transaction() as tx:
        jobs = (await tx.execute(text("delete from procrastinate_jobs returning task_name, args"))).all()
    await sweep()

    assert found == [1, 0, 1]
    assert [tuple(job) for job in jobs] == [("send", {"message_id": message})]
