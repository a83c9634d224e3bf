import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from receiver.clients import cold as cold_module
from receiver.clients.cold import ColdHistory
from receiver.clients.parquet import ParquetWriter, read_parquet
from receiver.clients.s3 import S3
from receiver.model.errors import QueryRefused, S3Damaged, S3Error, S3Missing
from receiver.model.history import AlertFilter, Digest, Export, Relation, Stretch
from receiver.model.incident import NAME_LIMIT
from receiver.model.matcher import Matcher

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = Stretch(beyond=None, backwards=False, upto=None, count=100)


def row(number: int, at: datetime = MARCH, **given: Any) -> dict[str, Any]:
    names = (
        "fingerprint", "starts_at_text", "alertname", "severity", "cluster", "namespace", "workflow", "agent",
        "generator_url", "group_key", "receiver",
    )  # fmt: skip
    texts = dict.fromkeys(names, "")
    times = {"starts_at": at, "ends_at": None, "first_seen_at": at, "last_seen_at": at, "resolved_seen_at": None}
    numbers = {"id": number, "deliveries": 1, "firings": 1, "incident_id": None}
    rest = {"status": "resolved", "inferred": False, "labels": {}, "annotations": {}}
    return {**texts, **times, **numbers, **rest, **given}


class Month:
    """Exported months in a bucket, and a reader of them."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self.s3 = s3
        self.folder = folder
        self.cold = ColdHistory(s3, folder / "cache")

    async def export(self, *rows: dict[str, Any], name: str = "m") -> Export:
        path = self.folder / name
        digest = Digest(Relation.ALERTS)
        digest.add(rows)
        with ParquetWriter(path, Relation.ALERTS) as file:
            file.write(rows)
        sha256 = await self.s3.put(name, path, kind="x/y")
        return Export(
            relation=Relation.ALERTS,
            month=MARCH,
            bucket=self.s3.bucket,
            key=name,
            rows=len(rows),
            size=path.stat().st_size,
            sha256=sha256,
            content=digest.content,
            versions="",
            exported_at=MARCH,
            verified_at=MARCH,
            pruned_at=MARCH,
        )

    def copies(self) -> list[str]:
        return sorted(one.name for one in (self.folder / "cache").iterdir())


@pytest.fixture
async def month(weed: Any, tmp_path: Path) -> AsyncIterator[Month]:
    client = weed.client(weed.new_bucket())
    made = Month(client, tmp_path)
    yield made
    await made.cold.close()
    await client.close()


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [
        row(1, datetime(1, 1, 1, tzinfo=UTC), labels={"b": "", "a": "\n\\'\"\U0001f4a5"}),
        row(2, datetime.max.replace(tzinfo=UTC), incident_id=-(2**63), ends_at=datetime.max.replace(tzinfo=UTC)),
    ]

    with ParquetWriter(tmp_path / "f", Relation.ALERTS) as file:
        file.write(rows[:1])
        file.write(rows[1:])

    assert list(read_parquet(tmp_path / "f", Relation.ALERTS)) == [rows[:1], rows[1:]]
    with pytest.raises(S3Damaged, match="columns of timeline"):
        list(read_parquet(tmp_path / "f", Relation.TIMELINE))
    (tmp_path / "g").write_bytes((tmp_path / "f").read_bytes()[:-9])
    with pytest.raises(S3Damaged, match="no whole Parquet file"):
        list(read_parquet(tmp_path / "g", Relation.ALERTS))


async def test_a_stretch_is_cut_by_key_in_both_directions(month: Month) -> None:
    hour = timedelta(hours=1)
    export = await month.export(*(row(number, MARCH + hour * (number // 2)) for number in range(10)))

    async def numbers(**given: Any) -> list[int]:
        asked = {"beyond": None, "backwards": False, "upto": None, "count": 3, **given}
        return [one["id"] for one in await month.cold.read(export, AlertFilter(), Stretch(**asked))]

    assert await numbers() == [9, 8, 7]
    assert await numbers(beyond=(MARCH + 3 * hour, 7)) == [6, 5, 4]
    assert await numbers(beyond=(MARCH + 3 * hour, 7), upto=(MARCH + 2 * hour, 5)) == [6, 5]
    assert await numbers(backwards=True) == [0, 1, 2]
    assert await numbers(backwards=True, beyond=(MARCH, 1), upto=(MARCH + hour, 2)) == [2]
    assert await numbers(beyond=(MARCH, 0)) == []
    assert await month.cold.find(export, 4) == row(4, MARCH + 2 * hour)
    assert await month.cold.find(export, 99) is None


async def test_a_name_is_looked_up_as_it_was_cut_when_it_was_stored(month: Month) -> None:
    export = await month.export(row(1, alertname="n" * NAME_LIMIT), row(2))

    found = await month.cold.read(export, AlertFilter(alertname="n" * 2_000), FIRST)

    assert [one["id"] for one in found] == [1]


async def test_a_month_is_brought_once_and_checked(month: Month) -> None:
    export = await month.export(row(1))
    await month.cold.read(export, AlertFilter(), FIRST)
    await month.s3.put(export.key, b"changed", fresh=False, kind="x/y")

    again = await month.cold.read(export, AlertFilter(), FIRST)
    other = ColdHistory(month.s3, month.folder / "other")
    with pytest.raises(S3Damaged, match="not what was exported as alerts 2026-03"):
        await other.read(export, AlertFilter(), FIRST)

    assert [one["id"] for one in again] == [1]
    assert list((month.folder / "other").iterdir()) == []


async def test_the_folder_holds_no_more_than_it_may(month: Month) -> None:
    exports = [await month.export(row(number), name=f"m{number}") for number in range(4)]
    small = ColdHistory(month.s3, month.folder / "cache", most=exports[0].size * 2 + 50)
    order = [0, 1, 0, 2, 3]

    for number in order:
        await small.read(exports[number], AlertFilter(), FIRST)
    kept = month.copies()
    with pytest.raises(S3Error, match="larger than"):
        await ColdHistory(month.s3, month.folder / "cache", most=10).read(exports[1], AlertFilter(), FIRST)
    await small.close()

    assert kept == sorted(f"{exports[number].sha256}.parquet" for number in (2, 3))


async def test_a_broken_copy_is_removed_and_brought_again(month: Month) -> None:
    export = await month.export(row(1))
    (month.folder / "cache").mkdir()
    (month.folder / "cache" / f"{export.sha256}.parquet").write_bytes(b"PAR1 nothing PAR1")

    with pytest.raises(S3Damaged, match="was removed"):
        await month.cold.read(export, AlertFilter(), FIRST)

    assert [one["id"] for one in await month.cold.read(export, AlertFilter(), FIRST)] == [1]


async def test_what_is_not_there_or_lies_elsewhere_is_named(month: Month) -> None:
    export = await month.export(row(1))

    with pytest.raises(S3Missing, match="gone"):
        await month.cold.read(replace(export, key="gone"), AlertFilter(), FIRST)
    with pytest.raises(S3Error, match=r"lies in bucket elsewhere, and archive\.bucket is"):
        await month.cold.read(replace(export, bucket="elsewhere"), AlertFilter(), FIRST)


async def test_duckdb_reaches_nothing_but_its_folder(month: Month) -> None:
    export = await month.export(row(1))
    await month.cold.read(export, AlertFilter(), FIRST)
    connection = month.cold._duckdb
    assert connection is not None

    for forbidden in (
        "select * from read_parquet('https://127.0.0.1:1/x.parquet')",
        "select * from read_text('/etc/passwd')",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set threads = 64",
        "copy (select 1) to '/tmp/receiver-escapes.csv'",
    ):
        with pytest.raises(duckdb.Error):
            connection.sql(forbidden).fetchall()


async def test_a_question_that_takes_too_long_is_ended(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_module, "_ASK", timedelta(milliseconds=20))
    export = await month.export(*(row(number, labels={"x": "ab" * 2_000 + str(number)}) for number in range(10_000)))
    slow = AlertFilter(labels=tuple(Matcher.parse(f'x!~"(a|b)*(ab)*{number}x"') for number in range(20)))

    with pytest.raises(QueryRefused, match="too long"):
        await month.cold.read(export, slow, FIRST)
    monkeypatch.undo()

    assert await month.cold.read(export, AlertFilter(alertname="none"), FIRST) == []


async def test_questions_wait_for_each_other_only_so_long(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    export = await month.export(row(1))
    monkeypatch.setattr(cold_module, "_WAIT", timedelta(milliseconds=20))

    async with month.cold._turn:
        with pytest.raises(S3Error, match="ask again") as refusal:
            await month.cold.read(export, AlertFilter(), FIRST)
    answers = await asyncio.gather(*(month.cold.find(export, 1) for _ in range(1)))

    assert refusal.value.retryable
    assert answers == [row(1)]
