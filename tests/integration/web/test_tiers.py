"""`GET /api/v1/alerts` over both tiers: it says where it read, and what is away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.clients.cold import ColdHistory
from receiver.store.database import Database
from receiver.upkeep.prune import Prune
from receiver.upkeep.tiers import Tiers

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MARCH = datetime(2025, 3, 1, tzinfo=UTC)
OLD = "/api/v1/alerts?until=2025-04-01T00:00:00Z"


@pytest.fixture
async def cold(database: Database, records: Any, weed: Any, tmp_path: Path) -> AsyncIterator[ColdHistory]:
    """One alert of this month, and one that is on S3 alone."""
    await records.alert(
        starts_at=MARCH, first_seen_at=MARCH, last_seen_at=MARCH, status="resolved", ends_at=MARCH, fingerprint="aa"
    )
    await records.alert(starts_at=NOW, fingerprint="bb")
    for days in (0, 1, 2):
        at = MARCH + timedelta(days=days)
        await records.event(at=at, alert_id="202503-1", text=f"day {days}", detail={"day": days})
    await records.event(at=MARCH, alert_id="202503-9", text="of another")
    await records.event(at=NOW, alert_id="202503-1", text="long after")
    s3 = weed.client(weed.new_bucket())
    tiers = Tiers(database=database, s3=s3, prefix="h", scratch=tmp_path / "x", now=lambda: NOW)
    assert len([move async for move in tiers.export()]) == 2
    prune = Prune(database=database, tiers=tiers, keep=NOW - MARCH.replace(month=4), now=lambda: NOW)
    assert len([move async for move in prune.run()]) == 2
    reader = ColdHistory(s3, tmp_path / "cache")
    yield reader
    await reader.close()
    await s3.close()


async def test_old_alerts_are_answered_and_the_answer_says_from_where(
    database: Database, cold: ColdHistory, serving: Any
) -> None:
    async with serving(database, cold=cold) as site:
        old = (await site.get(OLD)).json()
        recent = (await site.get("/api/v1/alerts?since=2026-01-01T00:00:00Z")).json()
        every = (await site.get("/api/v1/alerts?since=2025-01-01T00:00:00Z&limit=1")).json()
        rest = (await site.get(f"/api/v1/alerts?since=2025-01-01T00:00:00Z&limit=1&cursor={every['next']}")).json()
        one = await site.get(f"/api/v1/alerts/{old['items'][0]['id']}")

    assert [item["fingerprint"] for item in old["items"]] == ["aa"]
    assert (old["tiers"], recent["tiers"]) == (["postgres", "s3"], ["postgres"])
    assert [item["fingerprint"] for item in every["items"] + rest["items"]] == ["bb", "aa"]
    assert one.json() == old["items"][0]


async def test_what_happened_to_an_alert_is_told_from_both_tiers_in_order_and_says_from_where(
    database: Database, cold: ColdHistory, serving: Any
) -> None:
    path = "/api/v1/alerts/202503-1/timeline"
    async with serving(database, cold=cold) as site:
        whole = (await site.get(path)).json()
        first = (await site.get(f"{path}?limit=2")).json()
        second = (await site.get(f"{path}?limit=2&cursor={first['next']}")).json()
        back = (await site.get(f"{path}?limit=2&cursor={second['previous']}")).json()

    assert [line["text"] for line in whole["items"]] == ["day 0", "day 1", "day 2", "long after"]
    assert [line["detail"] for line in whole["items"]][1] == {"day": 1}
    assert first["items"] + second["items"] == whole["items"]
    assert back["items"] == first["items"]
    assert (second["next"], whole["tiers"]) == (None, ["postgres", "s3"])


async def test_what_lies_on_s3_is_away_where_no_bucket_is_configured(
    database: Database, cold: ColdHistory, serving: Any
) -> None:
    del cold
    async with serving(database, cold=None) as site:
        old = await site.get(OLD)
        one = await site.get("/api/v1/alerts/202503-1")
        recent = await site.get("/api/v1/alerts?since=2026-01-01T00:00:00Z")

    assert (old.status_code, one.status_code, recent.status_code) == (503, 503, 200)
    assert old.headers["content-type"] == "application/problem+json"
    assert "alerts 2025-03 lies on S3, and archive.bucket is not configured" in old.json()["detail"]
    assert "retry-after" in old.headers
