"""What goes by age alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, text

from receiver.model.errors import StoreCrowded
from receiver.store.tables import DeliveryRow, TombstoneRow
from receiver.upkeep.retention import drop_deliveries, keep_retention

DAY = timedelta(days=1)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


async def received(shelf: Any, *times: datetime) -> None:
    async with shelf.database.transaction() as tx:
        for at in times:
            row = {"received_at": at, "key": uuid4(), "receiver": "", "group_key": "", "external_url": ""}
            await tx.execute(insert(DeliveryRow).values(**row, truncated_alerts=0, alerts=0, body=b"{}"))


async def days(shelf: Any) -> list[datetime]:
    async with shelf.database.transaction() as tx:
        return list((await tx.execute(select(DeliveryRow.received_at).order_by(DeliveryRow.received_at))).scalars())


async def partition(shelf: Any, day: datetime) -> None:
    await shelf.run(
        f"create table deliveries_p_{day:%Y%m%d} partition of deliveries "
        f"for values from ('{day.isoformat()}') to ('{(day + DAY).isoformat()}')"
    )


async def test_days_of_deliveries_go_when_they_are_over_for_so_long(shelf: Any) -> None:
    await partition(shelf, JULY)
    await partition(shelf, JULY + DAY)
    await received(shelf, JULY, JULY + DAY, JULY + 2 * DAY, JULY - 40 * DAY)

    await drop_deliveries(shelf.database, JULY + DAY - timedelta(microseconds=1))
    early = await days(shelf)
    await drop_deliveries(shelf.database, JULY + DAY)
    there = await shelf.partitions("deliveries")

    assert early == [JULY, JULY + DAY, JULY + 2 * DAY]
    assert await days(shelf) == [JULY + DAY, JULY + 2 * DAY]
    assert "deliveries_p_20260701" not in there
    assert "deliveries_p_20260702" in there


async def test_a_table_in_use_is_not_waited_for(shelf: Any) -> None:
    await partition(shelf, JULY)
    await received(shelf, JULY)

    async with shelf.database.transaction() as tx:
        await tx.execute(text("select from deliveries limit 1"))
        with pytest.raises(StoreCrowded, match="in use"):
            await drop_deliveries(shelf.database, JULY + DAY)

    assert await days(shelf) == [JULY]


async def test_the_loop_drops_deliveries_and_old_tombstones(shelf: Any) -> None:
    await received(shelf, JULY)
    async with shelf.database.transaction() as tx:
        old = {"fingerprint": "a", "starts_at": JULY, "pruned_at": JULY}
        await tx.execute(insert(TombstoneRow).values(**old))

    loop = asyncio.create_task(keep_retention(shelf.database, timedelta(days=7), lambda: shelf.now))
    async with asyncio.timeout(60):
        while await days(shelf) or await shelf.tombstones():  # noqa: ASYNC110 - the loop tells nobody
            await asyncio.sleep(0.02)
    loop.cancel()

    with pytest.raises(asyncio.CancelledError):
        await loop
