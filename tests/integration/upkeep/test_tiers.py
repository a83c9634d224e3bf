"""From Postgres to S3 and out of Postgres: nothing is dropped that was not proved to be there."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from receiver.clients.parquet import read_parquet
from receiver.clients.s3 import Credentials
from receiver.model.errors import S3Damaged, S3Forbidden, S3Missing, S3Unreachable, TiersBusy
from receiver.model.history import Relation
from receiver.model.incident import LabelNames
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.settings import Hidden
from receiver.store import exports
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.store.tables import EventRow, OccurrenceRow
from receiver.webhook.message import parse

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = {
    "alertname": "x'; drop table alerts; --",
    "team": 'a"\\\n\t<!channel>',
    "ключ.x": "",
    "é": "\U0001f4a5" * 300,
}


async def fill(shelf: Any) -> None:
    """Two alerts and a line of March, an absurd time, and one alert of this month."""
    await shelf.partition("alerts", MARCH)
    await shelf.occurrence(MARCH, labels=HOSTILE, annotations={"summary": "", "text": "Grüße\r\n" * 50})
    await shelf.occurrence(
        datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC),
        starts_at_text="2026-03-31T23:59:59.999999999Z",
        inferred=True,
        incident_id=7,
        deliveries=2**40,
        resolved_seen_at=None,
    )
    await shelf.occurrence(datetime(1, 1, 1, tzinfo=UTC), ends_at=None)
    await shelf.occurrence(datetime(2026, 11, 20, tzinfo=UTC))
    await shelf.records.event(
        at=MARCH + timedelta(days=3),
        text="\U0001f600 'x' \\",
        detail={"a": [1, 2.5, None, {"b": "ü\n"}], "big": 12345678901234567890},
        alert_id="202603-1",
        run_id=3,
    )


async def test_every_column_of_every_row_comes_back_equal(shelf: Any, tmp_path: Path) -> None:
    await fill(shelf)
    alerts, events = await shelf.all_of(OccurrenceRow), await shelf.all_of(EventRow)

    done = await shelf.export()
    s3 = shelf.s3()
    for key in ("alerts/0001-01", "alerts/2026-03", "timeline/2026-03"):
        await s3.fetch(f"history/{key}.parquet", tmp_path / key.replace("/", "-"))
    march = [row for rows in read_parquet(tmp_path / "alerts-2026-03", Relation.ALERTS) for row in rows]
    absurd = [row for rows in read_parquet(tmp_path / "alerts-0001-01", Relation.ALERTS) for row in rows]
    lines = [row for rows in read_parquet(tmp_path / "timeline-2026-03", Relation.TIMELINE) for row in rows]

    assert done == ["alerts 0001-01 exported 1", "alerts 2026-03 exported 2", "timeline 2026-03 exported 1"]
    assert march + absurd == alerts[:3]
    assert [{**line, "detail": json.loads(line["detail"])} for line in lines] == events
    assert await shelf.all_of(OccurrenceRow) == alerts


async def test_a_manifest_says_what_lies_there(shelf: Any) -> None:
    await fill(shelf)

    await shelf.export()
    manifest = json.loads(await shelf.s3().get("history/alerts/2026-03.json"))
    stored = await shelf.s3().head("history/alerts/2026-03.parquet")
    (_, kept, _) = await shelf.all_of_exports()

    assert manifest["key"] == "history/alerts/2026-03.parquet"
    assert (manifest["relation"], manifest["month"], manifest["rows"], manifest["schema"]) == (
        "alerts",
        "2026-03",
        2,
        1,
    )
    assert (manifest["bytes"], manifest["sha256"]) == (stored.size, stored.sha256)
    assert manifest["first"] == {"starts_at": "2026-03-01T00:00:00Z", "id": 1}
    assert manifest["last"] == {"starts_at": "2026-03-31T23:59:59.999999Z", "id": 2}
    assert (kept.key, kept.rows, kept.verified_at, kept.pruned_at) == (manifest["key"], 2, shelf.now, None)


async def test_what_is_there_already_is_not_sent_again(shelf: Any) -> None:
    await fill(shelf)
    await shelf.export()
    before = await shelf.s3().listed("")

    again = await shelf.export()
    await shelf.run("update alerts set deliveries = deliveries")
    moved = await shelf.export()

    assert {line.split()[2] for line in again + moved} == {"unchanged"}
    assert await shelf.s3().listed("") == before


async def test_a_month_that_changed_since_gets_a_new_object_and_the_old_one_stays(shelf: Any) -> None:
    await fill(shelf)
    await shelf.export()

    await shelf.occurrence(MARCH + timedelta(days=1))
    again = await shelf.export()
    manifest = json.loads(await shelf.s3().get("history/alerts/2026-03.json"))
    keys = [one.key for one in await shelf.s3().listed("history/alerts/2026-03")]

    assert "alerts 2026-03 exported 3" in again
    assert manifest["key"] == f"history/alerts/2026-03.{manifest['sha256'][:12]}.parquet"
    assert sorted(keys) == sorted(["history/alerts/2026-03.json", "history/alerts/2026-03.parquet", manifest["key"]])


async def test_a_month_is_left_alone_until_it_has_been_over_for_a_while(shelf: Any) -> None:
    await shelf.occurrence(MARCH)
    shelf.now = datetime(2026, 4, 2, 23, 59, tzinfo=UTC)

    early = await shelf.export()
    shelf.now = datetime(2026, 4, 3, tzinfo=UTC)
    later = await shelf.export(before=MARCH), await shelf.export(dry_run=True), await shelf.export()

    assert early == []
    assert later == ([], ["alerts 2026-03 would export 1"], ["alerts 2026-03 exported 1"])


async def test_only_what_is_proved_to_be_on_s3_is_dropped(shelf: Any) -> None:
    await fill(shelf)

    early = await shelf.prune()
    await shelf.export()
    tried = await shelf.prune(dry_run=True)
    before = await shelf.ids()
    pruned = await shelf.prune()

    assert {line.partition(": ")[2] for line in early} == {"it is not on S3; run `receiver history export`"}
    assert [line.split()[2] for line in tried] == ["would"] * 3
    assert before == [1, 2, 3, 4]
    assert pruned == ["alerts 0001-01 pruned 1", "alerts 2026-03 pruned 2", "timeline 2026-03 pruned 1"]
    assert (await shelf.ids(), await shelf.ids(EventRow)) == ([4], [])
    assert "alerts_p_202603" not in await shelf.partitions("alerts")
    assert {one.pruned_at for one in await shelf.all_of_exports()} == {shelf.now}
    assert await shelf.prune() == await shelf.export() == []


async def test_a_month_that_changed_after_its_export_stays(shelf: Any) -> None:
    await fill(shelf)
    await shelf.export()
    await shelf.run("update alerts set firings = 9 where id = 1")

    pruned = await shelf.prune()

    assert "alerts 2026-03 kept 2: it changed since its export; run `receiver history export`" in pruned
    assert await shelf.ids() == [1, 2, 4]


async def test_a_month_younger_than_the_retention_stays(shelf: Any) -> None:
    await shelf.occurrence(MARCH)
    await shelf.export()

    pruned = await shelf.prune(keep=shelf.now - datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=1))

    assert pruned == []
    assert await shelf.prune(keep=shelf.now - datetime(2026, 4, 1, tzinfo=UTC)) == ["alerts 2026-03 pruned 1"]


@pytest.mark.parametrize("discard", [False, True])
async def test_nothing_of_an_open_story_is_dropped(shelf: Any, discard: bool) -> None:  # noqa: FBT001 - a parameter of the test
    january, february, march = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
    story = await shelf.records.incident()
    merged = await shelf.records.incident(key="other", state="merged", merged_into=story)
    await shelf.occurrence(january, incident_id=story)
    await shelf.occurrence(february, incident_id=merged)
    firing = await shelf.occurrence(march, status="firing", ends_at=None)
    await shelf.records.event(at=january, incident_id=story)
    await shelf.records.event(at=february, incident_id=merged)
    await shelf.records.event(at=march, alert_id=firing)
    await shelf.occurrence(datetime(2025, 12, 1, tzinfo=UTC), last_seen_at=shelf.now - timedelta(days=89))
    await shelf.export()

    pruned = await shelf.prune(discard=discard)

    assert pruned == [
        "alerts 2025-12 kept 1: one of its alerts was heard of within retention.history",
        "alerts 2026-01 kept 1: one of its alerts belongs to an open incident",
        "alerts 2026-02 kept 1: one of its alerts belongs to an open incident",
        "alerts 2026-03 kept 1: one of its alerts still fires",
        "timeline 2026-01 kept 1: it tells of an open incident",
        "timeline 2026-02 kept 1: it tells of an open incident",
        "timeline 2026-03 kept 1: it tells of an alert that still fires",
    ]
    assert len(await shelf.ids()) == 4


async def test_discarding_needs_no_s3_and_says_what_it_does(shelf: Any) -> None:
    await fill(shelf)

    pruned = await shelf.prune(discard=True)

    note = ": discarded without export, as retention.discard says"
    assert pruned == [
        f"alerts 0001-01 pruned 1{note}",
        f"alerts 2026-03 pruned 2{note}",
        f"timeline 2026-03 pruned 1{note}",
    ]
    assert await shelf.ids() == [4]


async def test_what_comes_late_into_a_pruned_month_joins_what_s3_has(shelf: Any, tmp_path: Path) -> None:
    await fill(shelf)
    rows = (await shelf.all_of(OccurrenceRow))[:2]
    await shelf.export()
    await shelf.prune()
    await shelf.occurrence(MARCH + timedelta(days=9), last_seen_at=shelf.now)
    late = (await shelf.all_of(OccurrenceRow))[-1]

    exported = await shelf.export()
    (_, kept, _) = await shelf.all_of_exports()
    await shelf.s3().fetch(kept.key, tmp_path / "march")
    stays = await shelf.prune()
    shelf.now += timedelta(days=91)
    goes = await shelf.prune()

    assert exported == ["alerts 2026-03 exported 3"]
    joined = [row for some in read_parquet(tmp_path / "march", Relation.ALERTS) for row in some]
    assert joined == [rows[0], late, rows[1]]
    assert stays == ["alerts 2026-03 kept 1: one of its alerts was heard of within retention.history"]
    assert "alerts 2026-03 pruned 1" in goes
    assert late["id"] not in await shelf.ids()


async def test_an_object_that_rots_or_goes_is_found_before_the_drop_and_made_anew(shelf: Any) -> None:
    await fill(shelf)
    await shelf.export()
    admin = shelf.weed.admin()
    rotten = (await shelf.s3().get("history/alerts/2026-03.parquet")).replace(b"PAR1", b"RAP1")

    admin.put_object(Bucket=shelf.bucket, Key="history/alerts/2026-03.parquet", Body=rotten)
    with pytest.raises(S3Damaged, match="other bytes"):
        await shelf.prune()
    between = await shelf.ids()
    again = await shelf.export()
    admin.delete_object(Bucket=shelf.bucket, Key="history/timeline/2026-03.parquet")
    with pytest.raises(S3Missing):
        await shelf.prune()
    once_more = await shelf.export()
    pruned = await shelf.prune()
    admin.close()

    assert between == [1, 2, 4]  # the absurd month, which was whole, had gone before
    assert again == ["alerts 2026-03 exported 2", "timeline 2026-03 unchanged 1"]
    assert once_more == ["timeline 2026-03 exported 1"]
    assert pruned == ["timeline 2026-03 pruned 1"]
    assert await shelf.ids() == [4]


async def test_a_broken_object_of_the_same_name_does_not_stand_in_the_way(shelf: Any) -> None:
    await shelf.occurrence(MARCH)
    await shelf.s3().put("history/alerts/2026-03.parquet", b"somebody else's", kind="text/plain")

    done = await shelf.export()
    (kept,) = await shelf.all_of_exports()

    assert done == ["alerts 2026-03 exported 1"]
    assert kept.key == f"history/alerts/2026-03.{kept.sha256[:12]}.parquet"


async def test_an_upload_whose_record_was_lost_is_found_by_its_hash(shelf: Any) -> None:
    await shelf.occurrence(MARCH)
    await shelf.export()
    await shelf.run("delete from exports")

    again = await shelf.export()
    (kept,) = await shelf.all_of_exports()

    assert again == ["alerts 2026-03 exported 1"]
    assert kept.key == "history/alerts/2026-03.parquet"


@pytest.mark.parametrize("broken", ["cut", "changed", "refused"])
async def test_an_upload_that_does_not_arrive_whole_counts_for_nothing(
    shelf: Any, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shelf)
    s3 = shelf.s3()
    honest = s3._client.put_object

    def lie(**asked: Any) -> Any:
        body = asked["Body"] if isinstance(asked["Body"], bytes) else asked["Body"].read()
        spoilt = body[: len(body) // 2] if broken == "cut" else body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]
        # A store that checks refuses; one that does not would keep it, and the reading back must find that out.
        told = {} if broken != "refused" else {"ChecksumSHA256": asked["ChecksumSHA256"]}
        return honest(Bucket=asked["Bucket"], Key=asked["Key"], Body=spoilt, **told)

    monkeypatch.setattr(s3._client, "put_object", lie)
    with pytest.raises(S3Damaged):
        await shelf.export(s3)
    pruned = await shelf.prune()
    monkeypatch.undo()
    again = await shelf.export()

    assert {line.partition(": ")[2] for line in pruned} == {"it is not on S3; run `receiver history export`"}
    assert await shelf.ids() == [1, 2, 3, 4]
    assert [line.split()[2] for line in again] == ["exported"] * 3
    assert [line.split()[2] for line in await shelf.prune()] == ["pruned"] * 3


async def test_a_store_that_dies_during_an_upload_leaves_all_as_it_was(shelf: Any, own_weed: Any) -> None:
    shelf.weed, shelf.bucket = own_weed, own_weed.new_bucket()
    await fill(shelf)
    s3 = shelf.s3()
    honest = s3._client.put_object

    class Deadly:
        """A file that is read once for its signature and once to be sent; then the store dies."""

        def __init__(self, file: Any) -> None:
            self._file = file
            self._signed = False

        def read(self, size: int = -1) -> bytes:
            if self._signed:
                own_weed.kill()
            found = bytes(self._file.read(size))
            self._signed = self._signed or not found
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    def deadly(**asked: Any) -> Any:
        return honest(**{**asked, "Body": Deadly(asked["Body"])})

    s3._client.put_object = deadly
    with pytest.raises(S3Unreachable, match="does not answer"):
        await shelf.export(s3)
    with pytest.raises(S3Unreachable):
        await shelf.export()
    kept = await shelf.prune()
    own_weed.start()
    done = await shelf.export()

    assert {line.split()[2] for line in kept} == {"kept"}
    assert [line.split()[2] for line in done] == ["exported"] * 3
    assert [line.split()[2] for line in await shelf.prune()] == ["pruned"] * 3


async def test_a_missing_bucket_and_missing_rights_are_named_before_anything_is_read(shelf: Any) -> None:
    await fill(shelf)
    wrong = Credentials(access_key=shelf.weed.access_key, secret_key=Hidden("wrong"))

    with pytest.raises(S3Missing, match="no-such-bucket"):
        await shelf.export(shelf.s3(bucket="no-such-bucket"))
    with pytest.raises(S3Forbidden, match="credentials"):
        await shelf.export(shelf.s3(credentials=wrong))
    await shelf.export()
    with pytest.raises(S3Forbidden):
        await shelf.prune(shelf.s3(credentials=wrong))

    assert await shelf.ids() == [1, 2, 3, 4]


async def test_two_at_once_are_one_too_many(shelf: Any) -> None:
    async with exports.alone(shelf.database):
        with pytest.raises(TiersBusy, match="another export or prune"):
            await shelf.export()

    assert await shelf.export() == []


@pytest.mark.parametrize("ended", [True, False], ids=["resolved", "firing"])
async def test_a_late_delivery_about_a_dropped_occurrence_is_no_news(
    shelf: Any,
    ended: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    queue = Queue(shelf.database)
    await queue.open()
    intake = Intake(shelf.database, queue, LabelNames())
    july = datetime(2026, 7, 1, tzinfo=UTC)
    told = {"alertname": "A", "workflow": "etl-1"}

    def firing(labels: dict[str, str], ends_at: datetime | None) -> Firing:
        return Firing(labels=labels, annotations={}, starts_at=july, ends_at=ends_at)

    await intake.record(parse(delivery(firing(told, july + timedelta(minutes=5))), july))
    await shelf.run("update incidents set state = 'closed', closed_at = now()")
    await shelf.export()
    await shelf.prune()

    late = firing(told, july + timedelta(minutes=5) if ended else None)
    other = firing({**told, "pod": "x"}, None)
    receipt = await intake.record(parse(delivery(late, other), shelf.now))
    again = await Intake(shelf.database, queue, LabelNames()).record(parse(delivery(late), shelf.now))
    await intake.close()

    assert (receipt.new, receipt.repeated) == (1, 1)
    assert (again.new, again.resolved, again.repeated) == (0, 0, 1)
    assert [row["labels"] for row in await shelf.all_of(OccurrenceRow)] == [other.labels]


async def test_a_table_in_use_is_left_alone_and_dropped_later(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.upkeep.prune._TRIES", 1)
    await fill(shelf)
    await shelf.export()

    async with shelf.database.transaction() as tx:
        await tx.execute(text("select from alerts limit 1"))
        during = await shelf.prune()
    after = await shelf.prune()

    assert "alerts 2026-03 kept 2: the table is in use at the moment; nothing was dropped" in during
    assert "alerts 2026-03 pruned 2" in after


@pytest.mark.parametrize("discard", [False, True])
async def test_tombstones_are_left_of_what_a_late_delivery_may_name_and_go_in_time(
    shelf: Any,
    discard: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    await shelf.occurrence(datetime(2026, 7, 1, tzinfo=UTC), fingerprint="aa")
    await shelf.occurrence(datetime(2026, 3, 1, tzinfo=UTC), fingerprint="bb")
    await shelf.export()
    await shelf.prune(discard=discard)
    left = await shelf.tombstones()

    shelf.now += timedelta(days=93)
    await shelf.prune()

    assert left == [("aa", datetime(2026, 7, 1, tzinfo=UTC))]
    assert await shelf.tombstones() == []


@pytest.mark.timeout(400)
async def test_an_export_holds_few_rows_in_memory(shelf: Any) -> None:
    await shelf.run(
        """
        insert into alerts
        select
          n, lpad(to_hex(n), 16, '0'), timestamptz '2026-03-01' + n * interval '10 s', '', 'resolved', false,
          timestamptz '2026-03-31', 'A', 'warning', '', 'taskmaster', 'etl-' || n, '',
          jsonb_build_object('alertname', 'A', 'pod', 'pod-' || n, 'x', repeat('y', 300)),
          jsonb_build_object('summary', repeat(md5(n::text), 20)), '', '', '', now(), timestamptz '2026-03-31',
          null, 1, 1, null
        from generate_series(1, 200000) n
        """
    )
    await shelf.occurrence(datetime(2026, 2, 1, tzinfo=UTC), id=200_001)
    tiers = shelf.tiers()
    moves = tiers.export()
    await anext(moves)  # libraries are loaded and threads have begun
    resident = psutil.Process().memory_info
    before = resident().rss
    seen = [before]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            seen.append(resident().rss)

    watcher = asyncio.create_task(asyncio.to_thread(watch))
    (march,) = [move async for move in moves]
    over.set()
    await watcher

    assert march.rows == 200_000
    grown = (max(seen) - before) / 1e6
    # Held at once, the rows alone would be some 600 MB.
    assert grown < 200, f"{grown:.0f} MB"
